import { LedgerRefused } from '../../../core/errors.ts';
import { reasonOf } from '../connection/failures.ts';
import type { Session } from '../connection/session.ts';
import { DUPLICATE_SCHEMA, INSUFFICIENT_PRIVILEGE, sqlState } from '../connection/sql-state.ts';
import { KEEP_GRANTS } from './version-2/grants.ts';
import { LIST_FUNCTIONS } from './version-2/lists.ts';
import { CALLERS } from './version-3/callers.ts';
import { INHERIT_GRANTS } from './version-3/grants.ts';
import { READS_WITH_CALLERS } from './version-3/reads.ts';
import { WRITES_WITH_CALLERS } from './version-3/writes.ts';
import { INHERIT_NEWEST_GRANTS } from './version-4/grants.ts';
import { LISTS_SIDE_BY_SIDE } from './version-4/lists.ts';
import { LONE_REQUEST } from './version-4/lone-request.ts';
import { READ_FUNCTIONS } from './version-1/reads.ts';
import { CREATE_SCHEMA, TABLES } from './version-1/tables.ts';
import { VERIFY_FUNCTIONS } from './version-1/verify.ts';
import { WRITE_FUNCTIONS } from './version-1/writes.ts';

/** Serializes everyone who creates or upgrades this database's schema. "ORDN". */
const ADVISORY_LOCK = 0x4f52444e;

/** Keeps the version of the schema. */
const VERSIONING = `
CREATE TABLE order_numbers.migrations (version integer PRIMARY KEY, apply_time timestamptz NOT NULL DEFAULT now());

CREATE FUNCTION order_numbers.schema_version() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = order_numbers, pg_temp AS $$ SELECT max(version) FROM migrations $$;
`;

/**
 * Each entry, with the parts that it is put together from in the folder of its version, brings the schema from version i
 * to version i + 1. Once released it is never edited; test/engines/postgres/schema/migrations.test.ts holds the hashes.
 */
const MIGRATIONS = [
  `${TABLES}${VERSIONING}${WRITE_FUNCTIONS}${READ_FUNCTIONS}${VERIFY_FUNCTIONS}`,
  `${LIST_FUNCTIONS}${KEEP_GRANTS}`,
  `${CALLERS}${READS_WITH_CALLERS}${WRITES_WITH_CALLERS}${INHERIT_GRANTS}`,
  `${LONE_REQUEST}${LISTS_SIDE_BY_SIDE}${INHERIT_NEWEST_GRANTS}`,
];

/** What the schema contains, apart from default privileges. */
const CONTENTS = `SELECT FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass
  AND refobjid = to_regnamespace('order_numbers') AND classid <> 'pg_default_acl'::regclass`;

/** CREATE SCHEMA IF NOT EXISTS needs the right to create one even if it exists, and accepts one with other contents. */
const CREATE_SCHEMA_UNLESS_EMPTY = `
DO $schema$ BEGIN
  IF to_regnamespace('order_numbers') IS NULL THEN
    ${CREATE_SCHEMA}
  ELSIF EXISTS (${CONTENTS}) THEN
    RAISE EXCEPTION 'the schema order_numbers contains something else; use another database, or one with an empty schema';
  END IF;
END $schema$;
`;

/**
 * The whole schema, for an owner to read, and to run if servers may not create tables. It runs only the missing steps, so
 * the same text upgrades an older schema.
 */
export function schemaSql(): string {
  return `-- The schema of an order ledger, for psql -v ON_ERROR_STOP=1. Run it as the role that is to own it.
BEGIN;
${MIGRATIONS.map(unlessDone).join('\n').replace(CREATE_SCHEMA, CREATE_SCHEMA_UNLESS_EMPTY)}
COMMIT;

-- Everything that the role of a server needs (replace order_server by its name):
-- GRANT USAGE ON SCHEMA order_numbers TO order_server;
-- GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA order_numbers TO order_server;
`;
}

/** What a migration needs of its session. */
export type SchemaSession = Pick<Session, 'query' | 'database' | 'user'>;

/** Versions of the schema; 0 is none. */
export interface SchemaVersions {
  readonly before: number;
  readonly after: number;
}

/**
 * Creates or upgrades the schema in one transaction; several servers may do so at once. Throws LedgerRefused if it may
 * not, and for a schema that only a newer version of this program knows.
 */
export async function migrate(session: SchemaSession): Promise<SchemaVersions> {
  const after = MIGRATIONS.length;
  try {
    if ((await requireKnownVersion(session)) === after) return { before: after, after };
    await session.query('BEGIN');
    try {
      await session.query('SELECT pg_advisory_xact_lock($1)', [ADVISORY_LOCK]);
      const version = await requireKnownVersion(session);
      const exists = version === 0 && (await hasEmptySchema(session));
      for (const [i, migration] of MIGRATIONS.entries()) {
        const missing = exists ? migration.replace(CREATE_SCHEMA, '') : migration;
        if (i >= version) await session.query(steps(missing, i));
      }
      await session.query('COMMIT');
      return { before: version, after };
    } catch (error) {
      await session.query('ROLLBACK').catch(() => {});
      throw error;
    }
  } catch (error) {
    throw explain(error, session);
  }
}

/**
 * Only the owner may use what a migration creates, until it grants others the right. What an owner has granted to PUBLIC
 * before stays granted: running servers may depend on it.
 */
const REVOKE_NEW = `
DO $revoke$
DECLARE
  created regprocedure;
BEGIN
  FOR created IN
    SELECT oid FROM pg_proc WHERE pronamespace = 'order_numbers'::regnamespace AND xmin = pg_current_xact_id()::xid
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', created);
  END LOOP;
END $revoke$;
`;

/** What versions 1 and 2 were released with: it takes everything from PUBLIC. */
const REVOKE_ALL = `
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA order_numbers FROM PUBLIC;
`;

function steps(migration: string, i: number): string {
  return `${migration}${i < 2 ? REVOKE_ALL : REVOKE_NEW}INSERT INTO order_numbers.migrations (version) VALUES (${i + 1});
`;
}

/** Plain SQL, because psql is not the only program that runs it. */
function unlessDone(migration: string, i: number): string {
  const isMissing =
    i === 0
      ? "to_regclass('order_numbers.migrations') IS NULL"
      : `(SELECT max(version) FROM order_numbers.migrations) < ${i + 1}`;
  return `DO $migration$ BEGIN IF ${isMissing} THEN EXECUTE $steps$${steps(migration, i)}$steps$; END IF; END $migration$;
`;
}

/** 0 if there is no schema. Only reads; throws LedgerRefused for a schema that only a newer program knows. */
export async function requireKnownVersion(session: SchemaSession): Promise<number> {
  // From the catalog's tables: what to_regprocedure says may be older than the lock.
  const functions = await session.query(
    `SELECT FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
     WHERE nspname = 'order_numbers' AND proname = 'schema_version'`,
  );
  if (functions.length === 0) return 0;
  const [row] = await session.query<{ version: number }>('SELECT order_numbers.schema_version() AS version');
  const version = row?.version ?? 0;
  if (version <= MIGRATIONS.length) return version;
  throw new LedgerRefused(
    `the schema order_numbers of ${session.database} has version ${version}, but this program knows only ` +
      `${MIGRATIONS.length}; use the newer version that created it`,
  );
}

/**
 * Whether there is an empty schema that this role may fill, created by an administrator for a role that may create
 * none.
 */
async function hasEmptySchema(session: SchemaSession): Promise<boolean> {
  const schemas = await session.query(
    `SELECT FROM pg_namespace WHERE nspname = 'order_numbers' AND has_schema_privilege(oid, 'CREATE')
       AND NOT EXISTS (${CONTENTS})`,
  );
  return schemas.length === 1;
}

function explain(error: unknown, { user, database }: SchemaSession): unknown {
  const state = sqlState(error);
  if (state === INSUFFICIENT_PRIVILEGE) {
    return new LedgerRefused(
      `${user} may not use or create the schema order_numbers of ${database} (${reasonOf(error)}); as its owner, run the ` +
        'output of order-numbers migrate --print, with its GRANTs',
    );
  }
  if (state === DUPLICATE_SCHEMA) {
    return new LedgerRefused(
      `${database} has a schema order_numbers that is not an order ledger, or not this role's; use another database, or one with an empty schema`,
    );
  }
  return error;
}

/** The version of the schema that this program creates and upgrades to. */
export function newestVersion(): number {
  return MIGRATIONS.length;
}
