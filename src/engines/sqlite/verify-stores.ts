import type Database from 'better-sqlite3';
import type { Finding, VerifyEvent } from '../../verification.ts';
import type { Losses } from './losses.ts';
import { SequenceCheck } from './sequence-check.ts';

const STORES_A_READ = 1000;
const ROWS_A_READ = 10_000;
const REQUEST_IDS_A_READ = 50_000;

/** What to check of the stores. */
export interface StoresCheck {
  /** Rows above this order_id came later and are not looked at. */
  readonly end: bigint;
  readonly losses: Losses;
  readonly onlyStore: bigint | undefined;
  /** Whether a store has to be read row by row. */
  isSuspect(storeId: bigint): boolean;
  /** Of the stores that were read by order_id: the number after the last one, and the numbers covered. */
  readonly counts?: ReadonlyMap<bigint, { readonly next: bigint; readonly count: bigint }>;
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
  const { onlyStore, counts = new Map(), losses } = check;
  const select = db.prepare<[bigint, bigint, number], CounterRow>(
    `SELECT store_id, first_number, last_number,
       (SELECT order_number + count - 1 FROM allocations WHERE allocations.store_id = stores.store_id
        ORDER BY order_number DESC LIMIT 1) AS rows_end
     FROM stores WHERE store_id > ? AND store_id <= ? ORDER BY store_id LIMIT ?`,
  );
  const unseen = new Set(counts.keys());
  let rows = 0n;
  const last = onlyStore ?? 2n ** 63n - 1n;
  for (let after = onlyStore === undefined ? 0n : onlyStore - 1n; ;) {
    const stores = select.all(after, last, STORES_A_READ);
    for (const store of stores) {
      unseen.delete(store.store_id);
      yield* checkCounter(store, losses);
      if (check.isSuspect(store.store_id)) rows += yield* readStore(db, store, check);
      else yield summaryOf(store, counts.get(store.store_id), losses);
    }
    if (stores.length < STORES_A_READ) break;
    after = stores.at(-1)!.store_id;
  }
  for (const storeId of unseen) {
    const next = counts.get(storeId)!.next;
    yield mismatch(storeId, next - 1n, next - 1n, `store ${storeId} has rows and no counter`);
  }
  return { rows };
}

function summaryOf(
  store: CounterRow,
  seen: { readonly next: bigint; readonly count: bigint } | undefined,
  losses: Losses,
): VerifyEvent {
  const { store_id: storeId, first_number: first } = store;
  const last = losses.endAfter(storeId, seen ? seen.next - 1n : first - 1n);
  return { kind: 'sequence', storeId, first, last, count: seen?.count ?? 0n };
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
  yield sequence.summary(check.losses.endAfter(storeId, lastNumber));
  return rows;
}

/** Every (store_id, request_id) has one row, and both unique indexes have every row. */
export function* checkRequestIds(
  db: Database.Database,
  { end, rows }: { readonly end: bigint; readonly rows: bigint },
): Generator<VerifyEvent> {
  for (const index of ['allocations_by_request_id', 'allocations_by_order_number']) {
    const known = db.prepare('SELECT 1 FROM sqlite_schema WHERE type = ? AND name = ?').get('index', index);
    if (!known) yield { kind: 'mismatch', first: 1n, last: end, message: `the index ${index} is missing` };
    else if (index === 'allocations_by_request_id') yield* countRequestIds(db, end, rows);
  }
}

function* countRequestIds(db: Database.Database, end: bigint, rows: bigint): Generator<VerifyEvent> {
  const index = 'allocations INDEXED BY allocations_by_request_id';
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
