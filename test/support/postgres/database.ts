import { randomBytes } from 'node:crypto';
import { inject, onTestFinished } from 'vitest';
import { query } from './query.ts';

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
  const port = inject('postgres');
  if (typeof port === 'string') throw new Error(port);
  const server = `postgres://postgres@127.0.0.1:${port}`;
  const name = idle.pop() ?? (await createDatabase(server));
  onTestFinished(async () => {
    if (await isEmptied(`${server}/${name}`)) idle.push(name);
    else await query(`${server}/postgres`, `drop database if exists ${name} with (force)`);
  });
  return `${server}/${name}`;
}

async function createDatabase(server: string): Promise<string> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await query(`${server}/postgres`, `create database ${name}`);
  functions ??= String(Object.values((await query(`${server}/${name}`, FUNCTIONS))[0]!));
  return name;
}

async function isEmptied(url: string): Promise<boolean> {
  try {
    await query(url, EMPTY);
    const [found] = await query(url, FUNCTIONS);
    return String(Object.values(found!)) === functions && (await query(url, IS_NEW)).length === 1;
  } catch {
    // The test has locked itself out, or has dropped it.
    return false;
  }
}
