import type Database from 'better-sqlite3';
import { INT64_MAX, INT64_MIN } from '../../../core/allocation.ts';
import type { Losses } from '../../../core/verify/declared-losses.ts';
import { checkOrderNumberIndex } from '../../../core/verify/index-check.ts';
import type { SeenStore } from '../../../core/verify/ledger-pass.ts';
import { type StoreCounter, StoreReading, type StoreRow, StoresCheck } from '../../../core/verify/store-check.ts';
import type { VerifyEvent } from '../../../core/verify/events.ts';
import { BY_ORDER_NUMBER, hasIndex } from './verify-request-ids.ts';

const STORES_A_READ = 1000;
const ROWS_A_READ = 10_000;

/** What to check of the stores. */
interface StoresToCheck {
  /** Rows above this order_id came later and are not looked at. */
  readonly end: bigint;
  readonly losses: Losses;
  readonly onlyStore: bigint | undefined;
  /** What the rows of each store came to, read by order_id. */
  readonly seen?: ReadonlyMap<bigint, SeenStore>;
}

/** The numbers and the counter of every store, in store_id order. Returns the rows that it read. */
export function* checkStores(db: Database.Database, stores: StoresToCheck): Generator<VerifyEvent, { rows: bigint }> {
  const { onlyStore, seen, losses, end } = stores;
  const select = db.prepare<[bigint, bigint, number], StoreCounter>(
    `SELECT store_id AS storeId, first_number AS firstNumber, last_number AS lastNumber,
       (SELECT order_number + (count - 1) FROM allocations WHERE allocations.store_id = stores.store_id
        ORDER BY order_number DESC LIMIT 1) AS rowsEnd
     FROM stores WHERE store_id > ? AND store_id <= ? ORDER BY store_id LIMIT ?`,
  );
  const countEntries = entryCounter(db, end);
  const check = new StoresCheck(losses, seen);
  let rows = 0n;
  const last = onlyStore ?? INT64_MAX;
  for (let after = onlyStore === undefined ? 0n : onlyStore - 1n; ;) {
    const read = select.all(after, last, STORES_A_READ);
    for (const store of read) {
      const { storeId } = store;
      yield* check.counter(store);
      if (check.mustBeRead(store)) rows += yield* readStore(db, store, stores);
      else yield* check.summary(store);
      if (seen && countEntries) {
        yield* checkOrderNumberIndex(storeId, countEntries(storeId), seen.get(storeId)?.rows ?? 0n);
      }
    }
    if (read.length < STORES_A_READ) break;
    after = read.at(-1)!.storeId;
  }
  yield* check.finish();
  return { rows };
}

/** Counts the rows of a store in the index of order_numbers; undefined where there is no such index. */
function entryCounter(db: Database.Database, end: bigint): ((storeId: bigint) => bigint) | undefined {
  if (!hasIndex(db, BY_ORDER_NUMBER)) return undefined;
  const count = db
    .prepare<[bigint, bigint], bigint>(
      `SELECT count(*) FROM allocations INDEXED BY ${BY_ORDER_NUMBER} WHERE store_id = ? AND order_id <= ?`,
    )
    .pluck();
  return (storeId) => count.get(storeId, end)!;
}

/** Reads one store by its numbers, to name what is wrong with them. Returns the rows that it read. */
function* readStore(
  db: Database.Database,
  store: StoreCounter,
  { end, losses, onlyStore }: StoresToCheck,
): Generator<VerifyEvent, bigint> {
  const select = db
    .prepare<[bigint, bigint, number], StoreRow>(
      `SELECT order_number, order_id, count, create_time_ms FROM allocations
       WHERE store_id = ? AND order_number > ? ORDER BY order_number LIMIT ?`,
    )
    .raw();
  const reading = new StoreReading(store, onlyStore !== undefined);
  for (let after = INT64_MIN; ;) {
    const read = select.all(store.storeId, after, ROWS_A_READ);
    for (const row of read) if (row[1] <= end) reading.add(row);
    yield* reading.takeFindings(losses);
    if (read.length < ROWS_A_READ) break;
    after = read.at(-1)![0];
  }
  yield* reading.finish(losses);
  return reading.rows;
}
