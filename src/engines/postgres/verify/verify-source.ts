import { INT64_MIN } from '../../../core/allocation.ts';
import { Losses } from '../../../core/verify/declared-losses.ts';
import { OrderError } from '../../../core/errors.ts';
import { checkRequestIdIndex, faultyIndex, repeatedRequestId } from '../../../core/verify/index-check.ts';
import { checkRowsAbove, LedgerPass } from '../../../core/verify/ledger-pass.ts';
import { VerdictTally } from '../../../core/verify/verdict-tally.ts';
import type { VerifyEvent } from '../../../core/verify/events.ts';
import type { Query, Read } from '../statements/query.ts';
import { checkStore, checkStores } from './verify-stores.ts';

const ROWS_A_READ = 10_000;
/** Rows above the counter that are counted, at most. */
const MOST_ROWS_ABOVE = 1_000_000;

interface LedgerRow {
  readonly ledger_id: string;
  readonly first_order_id: bigint;
  readonly last_order_id: bigint;
  readonly rows_above: bigint;
}

/**
 * Reads the ledger up to the order_id `upTo`, which it has reached, or one store of it, and reports what it finds; the
 * verdict comes last. Each read is a short transaction of its own: rows that come meanwhile are above `upTo`, and a
 * counter is read in one statement with the end of its rows. Rejects with SQLSTATE 57P03 where a server answers that
 * is behind `upTo`.
 */
export async function* verifyLedger(
  query: Query,
  storeId: bigint | undefined,
  upTo: bigint,
): AsyncGenerator<VerifyEvent> {
  const tally = new VerdictTally();
  for await (const event of readEverything(query, storeId, upTo)) {
    tally.count(event);
    yield event;
  }
  yield tally.verdict(upTo);
}

async function* readEverything(query: Query, storeId: bigint | undefined, upTo: bigint): AsyncGenerator<VerifyEvent> {
  const [ledger] = await query<LedgerRow>('SELECT * FROM order_numbers.verify_ledger($1)', [MOST_ROWS_ABOVE]);
  if (!ledger) throw new OrderError('LEDGER_DAMAGED', 'the table ledger is empty: put a good copy back');
  const read: Read = (name, ...values) =>
    query(
      `SELECT * FROM order_numbers.${name}(${values.map((_, i) => `$${i + 3}`).join(', ')})
       WHERE (SELECT order_numbers.require_ledger($1, $2))`,
      [ledger.ledger_id, upTo, ...values],
    );
  const losses = new Losses(await declaredLosses(read), storeId);
  yield* losses.events();
  if (storeId !== undefined) {
    yield* checkStore(read, { storeId, end: upTo, losses });
    return;
  }
  yield* checkRowsAbove(ledger.last_order_id, ledger.rows_above, ledger.rows_above >= MOST_ROWS_ABOVE);
  const complete = yield* checkIndexes(read, upTo);
  const pass = new LedgerPass(ledger.first_order_id, upTo);
  yield* passOver(read, pass, upTo, losses);
  yield* checkStores(read, { end: upTo, losses, pass, isIndexed: complete.has('allocations_by_order_number') });
  if (complete.has('allocations_by_request_id')) yield* checkRequestIds(read, pass, upTo);
  yield pass.progress(upTo);
}

async function declaredLosses(read: Read) {
  const rows = await read<{ store_id: bigint | null; first: bigint; last: bigint }>('list_declared_losses');
  return rows.map(({ store_id, first, last }) => ({ storeId: store_id ?? undefined, first, last }));
}

/** Returns the names of those that all rows can be read by. */
async function* checkIndexes(read: Read, end: bigint): AsyncGenerator<VerifyEvent, ReadonlySet<string>> {
  const indexes = await read<{ name: string; fault: string | null; is_complete: boolean }>('verify_indexes');
  for (const { name, fault } of indexes) if (fault !== null) yield faultyIndex(name, fault, end);
  return new Set(indexes.filter(({ is_complete }) => is_complete).map(({ name }) => name));
}

async function* passOver(read: Read, pass: LedgerPass, end: bigint, losses: Losses): AsyncGenerator<VerifyEvent> {
  interface Row {
    readonly order_id: bigint;
    readonly store_id: bigint;
    readonly order_number: bigint;
    readonly count: bigint;
    readonly create_time_ms: bigint;
  }
  for (let after = INT64_MIN; ;) {
    const rows = await read<Row>('verify_allocations', after, end, ROWS_A_READ);
    for (const row of rows) pass.add([row.order_id, row.store_id, row.order_number, row.count, row.create_time_ms]);
    yield* pass.takeFindings(losses);
    if (rows.length < ROWS_A_READ) break;
    after = rows.at(-1)!.order_id;
    yield pass.progress(after);
  }
  yield* pass.finish(losses);
  yield pass.progress(end);
}

/** Every (store_id, request_id) has one row, and its index has every row. */
async function* checkRequestIds(read: Read, pass: LedgerPass, end: bigint): AsyncGenerator<VerifyEvent> {
  interface Key {
    readonly request_id: string;
    readonly store_id: bigint;
    readonly entries: bigint;
    readonly first_row: bigint;
    readonly last_row: bigint;
    readonly entries_so_far: bigint;
    readonly keys: bigint;
  }
  let counted = 0n;
  for (let after: readonly unknown[] = ['', INT64_MIN]; ;) {
    const keys = await read<Key>('verify_request_ids', ...after, end, ROWS_A_READ);
    for (const { request_id: requestId, store_id: storeId, entries: rows, first_row, last_row } of keys) {
      if (rows > 1n) yield repeatedRequestId({ requestId, storeId, rows, least: first_row, greatest: last_row });
    }
    const last = keys.at(-1);
    counted += last?.entries_so_far ?? 0n;
    // Fewer: the end of the index. Rows that come meanwhile must not keep the reading busy for ever.
    if (!last || last.keys < ROWS_A_READ) break;
    after = [last.request_id, last.store_id];
    yield pass.progress(end);
  }
  yield* checkRequestIdIndex(counted, pass.rows, end);
}
