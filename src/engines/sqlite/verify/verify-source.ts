import type Database from 'better-sqlite3';
import { INT64_MIN } from '../../../core/allocation.ts';
import { Losses } from '../../../core/verify/declared-losses.ts';
import { checkRowsAbove, LedgerPass, type PassRow } from '../../../core/verify/ledger-pass.ts';
import { VerdictTally } from '../../../core/verify/verdict-tally.ts';
import type { NumberRange, VerifyEvent } from '../../../core/verify/events.ts';
import { checkRequestIds } from './verify-request-ids.ts';
import { checkStores } from './verify-stores.ts';

/** Rows in one read. Each is a short transaction, so that no checkpoint waits for a verification. */
const ROWS_A_READ = 10_000;

interface LedgerRow {
  readonly first_order_id: bigint;
  readonly last_order_id: bigint;
  readonly rows_above: bigint;
}

/**
 * Reads a ledger up to the end that it has now, or one store of it, and reports what it finds; the verdict
 * comes last. Every event may follow a read, so that whoever iterates can stop between two.
 */
export function* verifyLedger(db: Database.Database, storeId: bigint | undefined): Generator<VerifyEvent> {
  const tally = new VerdictTally();
  const ledger = db
    .prepare<[], LedgerRow>(
      `SELECT first_order_id, last_order_id,
         (SELECT count(*) FROM allocations WHERE order_id > ledger.last_order_id) AS rows_above FROM ledger`,
    )
    .get();
  if (!ledger) throw new Error('the table ledger is empty');
  for (const event of readEverything(db, ledger, storeId)) {
    tally.count(event);
    yield event;
  }
  yield tally.verdict(ledger.last_order_id);
}

function* readEverything(
  db: Database.Database,
  ledger: LedgerRow,
  storeId: bigint | undefined,
): Generator<VerifyEvent> {
  const end = ledger.last_order_id;
  const losses = new Losses(declaredLosses(db), storeId);
  yield* losses.events();
  if (storeId !== undefined) {
    const { rows } = yield* checkStores(db, { end, losses, onlyStore: storeId });
    yield { kind: 'progress', rowsRead: rows, orderId: end, endOrderId: end };
    return;
  }
  yield* checkRowsAbove(end, ledger.rows_above);
  const pass = new LedgerPass(ledger.first_order_id, end);
  const select = db
    .prepare<[bigint, bigint, number], PassRow>(
      `SELECT order_id, store_id, order_number, count, create_time_ms FROM allocations
       WHERE order_id > ? AND order_id <= ? ORDER BY order_id LIMIT ?`,
    )
    .raw();
  for (let after = INT64_MIN; ;) {
    const read = select.all(after, end, ROWS_A_READ);
    if (read.length === 0) break;
    for (const row of read) pass.add(row);
    yield* pass.takeFindings(losses);
    after = read.at(-1)![0];
    yield pass.progress(after);
  }
  yield* pass.finish(losses);
  yield* checkStores(db, { end, losses, onlyStore: undefined, seen: pass.stores });
  yield* checkRequestIds(db, { end, rows: pass.rows });
  yield pass.progress(end);
}

function* declaredLosses(db: Database.Database): Generator<NumberRange> {
  const rows = db.prepare<[], { store_id: bigint | null; first: bigint; last: bigint }>(
    'SELECT store_id, first, last FROM declared_losses ORDER BY store_id, first',
  );
  for (const { store_id, first, last } of rows.iterate()) yield { storeId: store_id ?? undefined, first, last };
}
