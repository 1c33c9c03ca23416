import type Database from 'better-sqlite3';
import type { Finding, VerifyEvent } from '../../verification.ts';
import type { Losses } from './losses.ts';
import { checkLosses, SequenceCheck } from './sequence-check.ts';

const STORES_A_READ = 1000;
const ROWS_A_READ = 10_000;
const REQUEST_IDS_A_READ = 50_000;
const BY_REQUEST_ID = 'allocations_by_request_id';
const BY_ORDER_NUMBER = 'allocations_by_order_number';

/** What to check of the stores. */
export interface StoresCheck {
  /** Rows above this order_id came later and are not looked at. */
  readonly end: bigint;
  readonly losses: Losses;
  readonly onlyStore: bigint | undefined;
  /** Whether a store has to be read row by row. */
  isSuspect(storeId: bigint): boolean;
  /** What the rows of each store came to, read by order_id. */
  readonly seen?: ReadonlyMap<bigint, SeenStore>;
}

/** What the rows of a store came to. */
export interface SeenStore {
  /** The number after the last one. */
  readonly next: bigint;
  /** Numbers that the rows cover. */
  readonly count: bigint;
  readonly rows: bigint;
}

interface CounterRow {
  readonly store_id: bigint;
  readonly first_number: bigint;
  readonly last_number: bigint;
  /** Where its last row ends, as of the same moment as the counter; null where it has none. */
  readonly rows_end: bigint | null;
}

/** The numbers and the counter of every store, in store_id order. Returns the rows that it read. */
export function* checkStores(db: Database.Database, check: StoresCheck): Generator<VerifyEvent, { rows: bigint }> {
  const { onlyStore, seen = new Map<bigint, SeenStore>(), losses } = check;
  const select = db.prepare<[bigint, bigint, number], CounterRow>(
    `SELECT store_id, first_number, last_number,
       (SELECT order_number + (count - 1) FROM allocations WHERE allocations.store_id = stores.store_id
        ORDER BY order_number DESC LIMIT 1) AS rows_end
     FROM stores WHERE store_id > ? AND store_id <= ? ORDER BY store_id LIMIT ?`,
  );
  const countRows = rowCounter(db, check.end);
  const withoutCounter = new Set([...seen.keys(), ...losses.stores()]);
  let rows = 0n;
  const last = onlyStore ?? 2n ** 63n - 1n;
  for (let after = onlyStore === undefined ? 0n : onlyStore - 1n; ;) {
    const stores = select.all(after, last, STORES_A_READ);
    for (const store of stores) {
      const { store_id: storeId } = store;
      withoutCounter.delete(storeId);
      yield* checkCounter(store, losses);
      if (check.isSuspect(storeId)) rows += yield* readStore(db, store, check);
      else yield* summaryOf(store, seen.get(storeId), losses);
      if (onlyStore === undefined) yield* checkIndex(storeId, seen.get(storeId)?.rows ?? 0n, countRows(storeId));
    }
    if (stores.length < STORES_A_READ) break;
    after = stores.at(-1)!.store_id;
  }
  for (const storeId of withoutCounter) {
    const number = (seen.get(storeId)?.next ?? 1n) - 1n;
    yield mismatch(storeId, number, number, `store ${storeId} has rows or declared losses and no counter`);
  }
  return { rows };
}

function* summaryOf(store: CounterRow, seen: SeenStore | undefined, losses: Losses): Generator<VerifyEvent> {
  const { store_id: storeId, first_number: first } = store;
  const last = losses.endAfter(storeId, seen ? seen.next - 1n : first - 1n);
  const count = seen?.count ?? 0n;
  yield* checkLosses({ storeId, first, last }, count, losses);
  yield { kind: 'sequence', storeId, first, last, count };
}

/** The rows of a store in the index of order_numbers; undefined where there is no such index. */
function rowCounter(db: Database.Database, end: bigint): (storeId: bigint) => bigint | undefined {
  if (!hasIndex(db, BY_ORDER_NUMBER)) return () => undefined;
  const count = db
    .prepare<[bigint, bigint], bigint>(
      `SELECT count(*) FROM allocations INDEXED BY ${BY_ORDER_NUMBER} WHERE store_id = ? AND order_id <= ?`,
    )
    .pluck();
  return (storeId) => count.get(storeId, end);
}

function* checkIndex(storeId: bigint, rows: bigint, inIndex: bigint | undefined): Generator<VerifyEvent> {
  if (inIndex === undefined || inIndex === rows) return;
  const message = `the index of order_numbers has ${inIndex} entries for ${rows} rows of store ${storeId}`;
  yield mismatch(storeId, 1n, rows, message);
}

function* checkCounter(store: CounterRow, losses: Losses): Generator<VerifyEvent> {
  const { store_id: storeId, last_number: counter } = store;
  const end = store.rows_end ?? store.first_number - 1n;
  if (end > counter) {
    const message = `the counter of store ${storeId} says ${counter}, and its rows end at ${end}`;
    yield mismatch(storeId, counter + 1n, end, message);
  }
  if (end >= counter) return;
  for (const { first, last } of losses.undeclared({ storeId, first: end + 1n, last: counter })) {
    const message = `the counter of store ${storeId} says ${counter}, and its rows end at ${end}: no row covers ${first} to ${last}`;
    yield mismatch(storeId, first, last, message);
  }
}

/** Reads one store by its numbers, to name what is wrong with them. Returns the rows that it read. */
function* readStore(db: Database.Database, store: CounterRow, check: StoresCheck): Generator<VerifyEvent, bigint> {
  const { store_id: storeId } = store;
  const select = db
    .prepare<[bigint, bigint, number], [orderNumber: bigint, orderId: bigint, count: bigint, createTimeMs: bigint]>(
      `SELECT order_number, order_id, count, create_time_ms FROM allocations
       WHERE store_id = ? AND order_number > ? ORDER BY order_number LIMIT ?`,
    )
    .raw();
  const sequence = new SequenceCheck(storeId, store.first_number);
  let rows = 0n;
  let lastNumber = store.first_number - 1n;
  let lastOrderId = 0n;
  let lastCreateTimeMs = -(2n ** 63n);
  for (let after = -(2n ** 63n); ;) {
    const read = select.all(storeId, after, ROWS_A_READ);
    for (const [orderNumber, orderId, count, createTimeMs] of read) {
      if (orderId > check.end) continue;
      rows++;
      sequence.add(orderNumber, count);
      if (orderId <= lastOrderId) {
        const message = `order_number ${orderNumber} of store ${storeId} has order_id ${orderId}, and the number before it ${lastOrderId}: they do not rise together`;
        yield mismatch(storeId, orderNumber, orderNumber, message);
      } else if (createTimeMs < lastCreateTimeMs && check.onlyStore !== undefined) {
        yield mismatch(
          storeId,
          orderNumber,
          orderNumber,
          `create_time falls at order_number ${orderNumber} of store ${storeId}`,
        );
      }
      lastOrderId = orderId;
      lastCreateTimeMs = createTimeMs;
      lastNumber = orderNumber + count - 1n;
    }
    yield* sequence.takeFindings(check.losses);
    if (read.length < ROWS_A_READ) break;
    after = read.at(-1)![0];
  }
  yield* sequence.end(check.losses.endAfter(storeId, lastNumber), check.losses);
  return rows;
}

/** Every (store_id, request_id) has one row, and its index has every row; both unique indexes are there. */
export function* checkRequestIds(
  db: Database.Database,
  { end, rows }: { readonly end: bigint; readonly rows: bigint },
): Generator<VerifyEvent> {
  for (const index of [BY_REQUEST_ID, BY_ORDER_NUMBER]) {
    if (!hasIndex(db, index))
      yield { kind: 'mismatch', first: 1n, last: end, message: `the index ${index} is missing` };
  }
  if (hasIndex(db, BY_REQUEST_ID)) yield* countRequestIds(db, end, rows);
}

function hasIndex(db: Database.Database, name: string): boolean {
  return db.prepare('SELECT 1 FROM sqlite_schema WHERE type = ? AND name = ?').get('index', name) !== undefined;
}

function* countRequestIds(db: Database.Database, end: bigint, rows: bigint): Generator<VerifyEvent> {
  const index = `allocations INDEXED BY ${BY_REQUEST_ID}`;
  const boundary = db
    .prepare<[string, number], string>(
      `SELECT request_id FROM ${index} WHERE request_id > ? ORDER BY request_id LIMIT 1 OFFSET ?`,
    )
    .pluck();
  const groups = db.prepare<
    [string, string, bigint],
    { request_id: string; store_id: bigint; rows: bigint; least: bigint; greatest: bigint }
  >(
    `SELECT request_id, store_id, count(*) AS rows, min(order_id) AS least, max(order_id) AS greatest FROM ${index}
     WHERE request_id > ? AND request_id <= ? AND order_id <= ? GROUP BY request_id, store_id HAVING count(*) > 1`,
  );
  const count = db
    .prepare<[string, string, bigint], bigint>(
      `SELECT count(*) FROM ${index} WHERE request_id > ? AND request_id <= ? AND order_id <= ?`,
    )
    .pluck();
  // Above every request_id: those are ASCII.
  const top = '\u{10ffff}';
  let counted = 0n;
  for (let after = ''; after !== top;) {
    const upTo = boundary.get(after, REQUEST_IDS_A_READ) ?? top;
    for (const { request_id, store_id, rows: found, least, greatest } of groups.all(after, upTo, end)) {
      const message = `request_id ${request_id} of store ${store_id} has ${found} rows, from order_id ${least} to ${greatest}`;
      yield { kind: 'mismatch', storeId: store_id, first: least, last: greatest, message };
    }
    counted += count.get(after, upTo, end)!;
    after = upTo;
  }
  if (counted !== rows) {
    const message = `the index of request_ids has ${counted} entries for ${rows} rows`;
    yield { kind: 'mismatch', first: 1n, last: end, message };
  }
}

function mismatch(storeId: bigint, first: bigint, last: bigint, message: string): Finding {
  return { kind: 'mismatch', storeId, first, last, message };
}
