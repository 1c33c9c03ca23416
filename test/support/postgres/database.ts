import { randomBytes } from 'node:crypto';
import { inject, onTestFinished } from 'vitest';
import type { Row } from './query.ts';
import { query, withClient } from './query.ts';

export { query } from './query.ts';

/** Ends all other sessions, and drops what a ledger is made of. */
const EMPTY = `
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid();
SET client_min_messages = error;
DROP SCHEMA IF EXISTS order_numbers CASCADE`;

/** Whether a database is as it was created: nothing in it, and no setting, owner or right of its own. */
const IS_NEW = `
SELECT FROM pg_database WHERE datname = current_database() AND datdba = 10 AND datacl IS NULL
  AND NOT EXISTS (SELECT FROM pg_db_role_setting WHERE setdatabase = pg_database.oid)
  AND NOT EXISTS (SELECT FROM pg_namespace WHERE oid >= 16384 AND nspname !~ '^pg_(toast_)?temp_')
  AND NOT EXISTS (SELECT FROM pg_class WHERE oid >= 16384)
  AND NOT EXISTS (SELECT FROM pg_proc WHERE oid >= 16384)
  AND NOT EXISTS (SELECT FROM pg_extension WHERE oid >= 16384)
  AND NOT EXISTS (SELECT FROM pg_event_trigger)
  AND NOT EXISTS (SELECT FROM pg_default_acl)
  AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid())`;

/** The state of PostgreSQL's own functions: a test may have renamed one or revoked its rights. */
const FUNCTIONS = `
SELECT count(*) AS functions, sum(hashtext(proname || oid || coalesce(proacl::text, ''))) AS rights FROM pg_proc`;

/** Clean databases of finished tests, for reuse: creating and dropping one takes longer than many a test. */
const idle: string[] = [];
/** What {@link FUNCTIONS} says of a new one. */
let functions: string | undefined;

/** The database that a URL names. */
export function databaseName(url: string): string {
  return new URL(url).pathname.slice(1);
}

/** The URL of a new and empty database in the shared cluster, for one test; its sessions are ended with the test. */
export async function newDatabase(): Promise<string> {
  const url = await takeDatabase();
  onTestFinished(() => giveBackDatabase(url));
  return url;
}

/** The same for as long as the caller likes, who gives it back. */
export async function takeDatabase(): Promise<string> {
  const port = inject('postgres');
  if (typeof port === 'string') throw new Error(port);
  const server = `postgres://postgres@127.0.0.1:${port}`;
  return `${server}/${idle.pop() ?? (await createDatabase(server))}`;
}

/** Empties it for the next test, or drops it if a test has changed what cannot be emptied. */
export async function giveBackDatabase(url: string): Promise<void> {
  const name = databaseName(url);
  if (await isEmptied(url)) idle.push(name);
  else await query(url.replace(name, 'postgres'), `drop database if exists ${name} with (force)`);
}

async function createDatabase(server: string): Promise<string> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await query(`${server}/postgres`, `create database ${name}`);
  functions ??= String(Object.values((await query(`${server}/${name}`, FUNCTIONS))[0]!));
  return name;
}

async function isEmptied(url: string): Promise<boolean> {
  try {
    return await withClient(url, async (client) => {
      await client.query(EMPTY);
      const { rows } = await client.query<Row>(FUNCTIONS);
      return String(Object.values(rows[0]!)) === functions && (await client.query(IS_NEW)).rowCount === 1;
    });
  } catch {
    // The test has locked itself out, or has dropped it.
    return false;
  }
}
