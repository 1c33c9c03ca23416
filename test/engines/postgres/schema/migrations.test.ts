import { expect, it } from 'vitest';
import type { SchemaSession } from '../../../../src/engines/postgres/schema/schema.ts';
import { migrate, schemaSql } from '../../../../src/engines/postgres/schema/schema.ts';
import { CREATE_SCHEMA } from '../../../../src/engines/postgres/schema/version-1/tables.ts';
import { editedMigrations } from '../../../support/ledgers/released-migrations.ts';

it('the migrations of PostgreSQL are sent as they were released', async () => {
  expect(
    editedMigrations(await sentMigrations(), [
      'ce210d64702c0c078038db4b007174be784c3b81f91c7c8c443ceaa80d72c563',
      '619119e2eadf9483d015ed39ef876e1ee4c09de6c5bbfc4f4cd91f85b55b0ce7',
      '06028eb7725ba356bd6f69fe10d67cae517002148c9409b4477d1942a2ed39c8',
      '0bb43688bc3644b48533080b253c4cec8e03aab276d3c935334b969f122a672c',
    ]),
  ).toEqual([]);
});

it('the printed schema has the same migrations', async () => {
  const printed = schemaSql();
  for (const migration of await sentMigrations()) {
    // The printed one takes over an empty schema that an administrator has created.
    const [before, after = before] = migration.split(CREATE_SCHEMA);
    expect(printed).toContain(`${after}$steps$`);
  }
});

/** What a server sends to an empty database, without the transaction around it. */
async function sentMigrations(): Promise<string[]> {
  const sent: string[] = [];
  const session: SchemaSession = {
    database: 'an empty database',
    user: 'owner',
    async query(text) {
      sent.push(text);
      return [];
    },
  };
  const { after } = await migrate(session);
  const migrations = sent.filter((text) => text.includes('INSERT INTO order_numbers.migrations'));
  expect(migrations).toHaveLength(after);
  return migrations;
}
