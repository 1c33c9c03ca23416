import { schemaSql } from '../../../src/engines/postgres/schema/schema.ts';

/** The SQL that creates the schema as this version of it was, for an empty database. */
export function schemaOfVersion(version: number): string {
  const [beginning, ...steps] = schemaSql().split('DO $migration$');
  const kept = steps.slice(0, version).map((step) => `DO $migration$${step}`);
  return `${beginning}${kept.join('')}COMMIT;`;
}
