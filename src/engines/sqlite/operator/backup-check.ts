import { setImmediate as nextTurn } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import { SqliteError } from 'better-sqlite3';
import { LedgerRefused } from '../../../core/errors.ts';
import { requireLedgerRow } from '../file/ledger-row.ts';
import { requireFilledLedger } from '../file/schema.ts';

/** What a ledger is, in short. */
export interface LedgerSummary {
  readonly ledgerId: string;
  readonly firstOrderId: bigint;
  readonly lastOrderId: bigint;
  /** Allocations. */
  readonly rows: bigint;
  readonly stores: bigint;
  /** The name of the place that it was moved to: it never numbers again. */
  readonly movedTo: string | undefined;
}

/** What a check of one kind looks for; an answer is a sentence that says what is wrong. */
type Check = (db: Database.Database) => string | undefined;

/**
 * A sequence is dense when three things hold for its pieces, which are rows and declared losses: one of them
 * begins at the sequence's first number; behind each that does not end at its last number another one begins;
 * their lengths add up to the length of the sequence. The first two make a chain without a hole, the third
 * leaves nothing over that could overlap it. Each is one pass with look-ups in an index, whatever the size.
 * The order_ids of a store rise along its chain (P3).
 */
const DENSITY: readonly (readonly [sql: string, finding: string])[] = [
  [
    `SELECT a.order_id AS number FROM allocations a, ledger l
     WHERE a.order_id + (a.count - 1) <> l.last_order_id
       AND NOT EXISTS (SELECT 1 FROM allocations b WHERE b.order_id = a.order_id + a.count)
       AND NOT EXISTS (SELECT 1 FROM declared_losses d WHERE d.store_id IS NULL AND d.first = a.order_id + a.count)
     LIMIT 1`,
    'no order_id follows the row of order_id {number}',
  ],
  [
    `SELECT d.last AS number FROM declared_losses d, ledger l
     WHERE d.store_id IS NULL AND d.last <> l.last_order_id
       AND NOT EXISTS (SELECT 1 FROM allocations b WHERE b.order_id = d.last + 1)
       AND NOT EXISTS (SELECT 1 FROM declared_losses n WHERE n.store_id IS NULL AND n.first = d.last + 1)
     LIMIT 1`,
    'no order_id follows the declared loss that ends at {number}',
  ],
  [
    `SELECT l.first_order_id AS number FROM ledger l
     WHERE l.last_order_id >= l.first_order_id
       AND NOT EXISTS (SELECT 1 FROM allocations a WHERE a.order_id = l.first_order_id)
       AND NOT EXISTS (SELECT 1 FROM declared_losses d WHERE d.store_id IS NULL AND d.first = l.first_order_id)`,
    'the first order_id, {number}, is missing',
  ],
  [
    `SELECT l.last_order_id AS number FROM ledger l
     WHERE l.last_order_id - l.first_order_id + 1 <>
       (SELECT coalesce(sum(count), 0) FROM allocations) +
       (SELECT coalesce(sum(last - first + 1), 0) FROM declared_losses WHERE store_id IS NULL)`,
    'the rows do not add up to the counter of order_ids, which is at {number}',
  ],
  [
    `SELECT a.store_id AS store, a.order_number AS number FROM allocations a NOT INDEXED
     LEFT JOIN stores s ON s.store_id = a.store_id
     WHERE s.store_id IS NULL OR a.order_number + (a.count - 1) <> s.last_number
       AND NOT EXISTS (SELECT 1 FROM allocations b WHERE b.store_id = a.store_id
                       AND b.order_number = a.order_number + a.count AND b.order_id > a.order_id)
       AND NOT EXISTS (SELECT 1 FROM declared_losses d WHERE d.store_id = a.store_id
                       AND d.first = a.order_number + a.count)
     LIMIT 1`,
    'store {store}: no later order_number follows that of the row of order_number {number}',
  ],
  [
    `SELECT d.store_id AS store, d.last AS number FROM declared_losses d LEFT JOIN stores s ON s.store_id = d.store_id
     WHERE d.store_id IS NOT NULL AND (s.store_id IS NULL OR d.last <> s.last_number
       AND NOT EXISTS (SELECT 1 FROM allocations b WHERE b.store_id = d.store_id AND b.order_number = d.last + 1)
       AND NOT EXISTS (SELECT 1 FROM losses n WHERE n.store_id = d.store_id AND n.first = d.last + 1))
     LIMIT 1`,
    'store {store}: no order_number follows the declared loss that ends at {number}',
  ],
  [
    `SELECT s.store_id AS store, s.first_number AS number FROM stores s
     WHERE s.last_number >= s.first_number
       AND NOT EXISTS (SELECT 1 FROM allocations a WHERE a.store_id = s.store_id AND a.order_number = s.first_number)
       AND NOT EXISTS (SELECT 1 FROM losses d WHERE d.store_id = s.store_id AND d.first = s.first_number)
     LIMIT 1`,
    'store {store}: its first order_number, {number}, is missing',
  ],
  [
    `SELECT s.store_id AS store, s.last_number AS number FROM stores s
     LEFT JOIN (SELECT store_id, sum(count) AS count FROM allocations GROUP BY store_id) a USING (store_id)
     LEFT JOIN (SELECT store_id, sum(last - first + 1) AS count FROM losses GROUP BY store_id) d USING (store_id)
     WHERE s.last_number - s.first_number + 1 <> coalesce(a.count, 0) + coalesce(d.count, 0) LIMIT 1`,
    'store {store}: its rows do not add up to its counter, which is at {number}',
  ],
];

/** create_time never falls as order_id rises (P3): one pass in the order of the table. */
const FALLING_TIME = `
  SELECT number FROM (
    SELECT order_id AS number, create_time_ms, lag(create_time_ms) OVER (ORDER BY order_id) AS before FROM allocations
  ) WHERE create_time_ms < before LIMIT 1`;

const CHECKS: readonly Check[] = [
  integrity,
  (db) => (db.prepare('SELECT count(*) FROM ledger').pluck().get() === 1n ? undefined : 'its counter is gone'),
  ...DENSITY.map(
    ([sql, finding]): Check =>
      (db) =>
        density(db, sql, finding),
  ),
  (db) => density(db, FALLING_TIME, 'create_time falls at order_id {number}'),
];

/**
 * Checks that SQLite finds nothing wrong, that this is a ledger, that each sequence is dense up to its counter, but
 * for declared losses, and that create_time never falls. Throws LedgerRefused with the first finding, of the file
 * `name` where `db` is only a copy of it. Where others may write, `db` must be in a read transaction. `signal` stops it between
 * two checks; `onCheck` hears of each that is done.
 */
export async function checkLedger(
  db: Database.Database,
  {
    name = db.name,
    signal,
    onCheck,
  }: { name?: string; signal?: AbortSignal | undefined; onCheck?: (done: number, all: number) => void } = {},
): Promise<LedgerSummary> {
  requireFilledLedger(db);
  db.exec(
    'CREATE TEMP TABLE losses AS SELECT store_id, first, last FROM main.declared_losses WHERE store_id IS NOT NULL',
  );
  db.exec('CREATE INDEX temp.losses_by_first ON losses (store_id, first)');
  try {
    for (const [i, check] of CHECKS.entries()) {
      await nextTurn();
      signal?.throwIfAborted();
      const finding = explain(db, check);
      if (finding !== undefined) {
        throw new LedgerRefused(`${name} is damaged: ${finding}; use another copy`);
      }
      onCheck?.(i + 1, CHECKS.length);
    }
    return summarize(db);
  } finally {
    db.exec('DROP TABLE temp.losses');
  }
}

/** Reads what a ledger is. Throws LedgerRefused where its counter is gone. */
export function summarize(db: Database.Database): LedgerSummary {
  const { ledgerId, firstOrderId, lastOrderId, movedTo } = requireLedgerRow(db, 'use another copy');
  const count = (table: string) => db.prepare<[], bigint>(`SELECT count(*) FROM ${table}`).pluck().get() ?? 0n;
  return {
    ledgerId,
    firstOrderId,
    lastOrderId,
    movedTo: movedTo?.name,
    rows: count('allocations'),
    stores: count('stores'),
  };
}

/** A database so damaged that the check itself fails is a finding like any other. */
function explain(db: Database.Database, check: Check): string | undefined {
  try {
    return check(db);
  } catch (error) {
    if (error instanceof SqliteError) return error.message;
    throw error;
  }
}

function integrity(db: Database.Database): string | undefined {
  const answer = String(db.pragma('integrity_check(1)', { simple: true }));
  return answer === 'ok' ? undefined : `integrity_check says ${answer}`;
}

function density(db: Database.Database, sql: string, finding: string): string | undefined {
  const found = db.prepare<[], { store?: bigint; number: bigint }>(sql).get();
  return found && finding.replace('{store}', String(found.store)).replace('{number}', String(found.number));
}
