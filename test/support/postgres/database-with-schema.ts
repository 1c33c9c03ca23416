import type { Client } from 'pg';
import { onTestFinished } from 'vitest';
import { schemaSql } from '../../../src/engines/postgres/schema/schema.ts';
import { giveBackDatabase, takeDatabase } from './database.ts';
import type { Row } from './query.ts';
import { withClient } from './query.ts';

/** Ends all other sessions. */
const END_SESSIONS = `
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()`;

const CATALOG_TABLES =
  'pg_class pg_proc pg_namespace pg_constraint pg_trigger pg_type pg_rewrite pg_policy pg_default_acl pg_extension pg_event_trigger'.split(
    ' ',
  );

/**
 * All that is not a row of a ledger: a change of it gives a row of the catalog another xmin, or adds or removes one.
 * Statistics are part of it.
 */
const CATALOG = `
SELECT concat_ws(' ',
  ${CATALOG_TABLES.map((table) => `(SELECT sum(hashtext(oid || ':' || xmin)) FROM ${table} WHERE oid >= 16384)`).join()},
  (SELECT sum(hashtext(attname || xmin)) FROM pg_attribute WHERE attrelid >= 16384),
  (SELECT concat(sum(relpages), sum(reltuples)) FROM pg_class WHERE oid >= 16384),
  (SELECT count(*) FROM pg_statistic WHERE starelid >= 16384),
  (SELECT sum(hashtext(proname || oid || coalesce(proacl::text, ''))) FROM pg_proc),
  (SELECT concat(datdba, datacl) FROM pg_database WHERE datname = current_database()),
  (SELECT count(*) FROM pg_db_role_setting JOIN pg_database ON setdatabase = pg_database.oid
   WHERE datname = current_database()),
  (SELECT string_agg(version::text, ',') FROM order_numbers.migrations)) AS catalog`;

/**
 * Deleted rows stay in their pages. Up to ten of them, as long as it has no statistics, a table is planned like a new one.
 */
const MAX_BYTES = 10 * 8192;
const SIZE = `SELECT max(pg_relation_size(oid)) AS bytes FROM pg_class WHERE relnamespace = 'order_numbers'::regnamespace`;

/** As in the schema's own beginning. */
const EMPTY = `
DELETE FROM order_numbers.allocations;
DELETE FROM order_numbers.callers;
DELETE FROM order_numbers.stores;
DELETE FROM order_numbers.declared_losses;
DELETE FROM order_numbers.ledger;
INSERT INTO order_numbers.ledger (ledger_id, first_order_id, last_order_id, last_create_time_ms, version)
VALUES (gen_random_uuid()::text, 1, 0, 0, 0)`;

/** Databases with an empty ledger, for reuse: to create the schema takes longer than many a test. */
const idle: { readonly url: string; readonly catalog: string }[] = [];

/**
 * The URL of a database of the shared cluster with an empty ledger that no server has opened, in the newest schema. For
 * tests to which it does not matter who creates the schema; its sessions are ended with the test.
 */
export async function newDatabaseWithSchema(): Promise<string> {
  const ledger = idle.pop() ?? (await createLedger());
  onTestFinished(async () => {
    if (await isEmptied(ledger)) idle.push(ledger);
    else await giveBackDatabase(ledger.url);
  });
  return ledger.url;
}

async function createLedger() {
  const url = await takeDatabase();
  return withClient(url, async (client) => {
    await client.query(schemaSql());
    return { url, catalog: await catalogOf(client) };
  });
}

async function isEmptied({ url, catalog }: { readonly url: string; readonly catalog: string }): Promise<boolean> {
  try {
    return await withClient(url, async (client) => {
      await client.query(END_SESSIONS);
      if ((await catalogOf(client)) !== catalog) return false;
      const { rows } = await client.query<{ bytes: bigint }>(SIZE);
      if (rows[0]!.bytes > MAX_BYTES) return false;
      await client.query(EMPTY);
      return true;
    });
  } catch {
    // The test has locked itself out, or has dropped it.
    return false;
  }
}

async function catalogOf(client: Client): Promise<string> {
  return String((await client.query<Row>(CATALOG)).rows[0]!['catalog']);
}
