import { randomBytes } from 'node:crypto';
import { inject, onTestFinished } from 'vitest';
import { query } from './query.ts';

export { query } from './query.ts';

/** The database that a URL names. */
export function databaseName(url: string): string {
  return new URL(url).pathname.slice(1);
}

/** The URL of a new and empty database in the shared cluster; dropped, whoever uses it, when the test ends. */
export async function newDatabase(): Promise<string> {
  const port = inject('postgres');
  if (typeof port === 'string') throw new Error(port);
  const server = `postgres://postgres@127.0.0.1:${port}`;
  const name = `test_${randomBytes(8).toString('hex')}`;
  await query(`${server}/postgres`, `create database ${name}`);
  onTestFinished(async () => {
    await query(`${server}/postgres`, `drop database ${name} with (force)`);
  });
  return `${server}/${name}`;
}
