import { INT64_MAX, INT64_MIN } from '../../../core/allocation.ts';
import type { Losses } from '../../../core/verify/declared-losses.ts';
import { checkOrderNumberIndex } from '../../../core/verify/index-check.ts';
import type { LedgerPass } from '../../../core/verify/ledger-pass.ts';
import { type StoreCounter, StoreReading, StoresCheck } from '../../../core/verify/store-check.ts';
import type { VerifyEvent, VerifyProgress } from '../../../core/verify/events.ts';
import type { Read } from '../statements/query.ts';

const STORES_A_READ = 1000;
const ROWS_A_READ = 10_000;

interface CounterRow {
  readonly store_id: bigint;
  readonly first_number: bigint;
  readonly last_number: bigint;
  readonly rows_end: bigint | null;
}

/** What to check of all stores. */
interface StoresToCheck {
  /** Rows above this order_id came later and are not looked at. */
  readonly end: bigint;
  readonly losses: Losses;
  readonly pass: LedgerPass;
  /** Whether the index of order_numbers has all rows. */
  readonly isIndexed: boolean;
}

/** The numbers and the counter of every store, in store_id order. */
export async function* checkStores(read: Read, stores: StoresToCheck): AsyncGenerator<VerifyEvent> {
  const { end, losses, pass, isIndexed } = stores;
  const entries = isIndexed ? yield* countEntries(read, pass, end) : undefined;
  const check = new StoresCheck(losses, pass.stores);
  for (let after = INT64_MIN; ;) {
    const rows = await read<CounterRow>('verify_stores', after, INT64_MAX, STORES_A_READ, isIndexed);
    for (const store of rows.map(toCounter)) {
      const seen = pass.stores.get(store.storeId);
      yield* check.counter(isIndexed ? store : withEndOf(store, seen?.next));
      if (check.mustBeRead(store)) {
        const reading = new StoreReading(store, false);
        yield* readStore(read, reading, { ...stores, storeId: store.storeId, progress: () => pass.progress(end) });
      } else yield* check.summary(store);
      if (entries) yield* checkOrderNumberIndex(store.storeId, entries.get(store.storeId) ?? 0n, seen?.rows ?? 0n);
    }
    if (rows.length < STORES_A_READ) break;
    after = rows.at(-1)!.store_id;
    yield pass.progress(end);
  }
  yield* check.finish();
}

/** One store alone, by its numbers. */
export async function* checkStore(
  read: Read,
  { storeId, end, losses }: { readonly storeId: bigint; readonly end: bigint; readonly losses: Losses },
): AsyncGenerator<VerifyEvent> {
  const check = new StoresCheck(losses);
  // Before its counter, so that a store that is made meanwhile has one when that is looked for.
  const [lastRow] = await read<{ order_number: bigint; count: number }>('last_up_to_order_number', storeId, INT64_MAX);
  if (lastRow) check.sawRows(storeId, lastRow.order_number + BigInt(lastRow.count) - 1n);
  let rowsRead = 0n;
  for (const store of (await read<CounterRow>('verify_stores', storeId - 1n, storeId, 1, true)).map(toCounter)) {
    yield* check.counter(store);
    const reading = new StoreReading(store, true);
    const progress = (orderId: bigint) =>
      ({ kind: 'progress', rowsRead: reading.rows, orderId, endOrderId: end }) as const;
    yield* readStore(read, reading, { storeId, end, losses, progress });
    rowsRead = reading.rows;
  }
  yield* check.finish();
  yield { kind: 'progress', rowsRead, orderId: end, endOrderId: end };
}

/** How many rows of each store the index of order_numbers has. */
async function* countEntries(
  read: Read,
  pass: LedgerPass,
  end: bigint,
): AsyncGenerator<VerifyEvent, ReadonlyMap<bigint, bigint>> {
  interface Row {
    readonly store_id: bigint;
    readonly last_number: bigint;
    readonly entries: bigint;
    readonly entries_read: bigint;
  }
  const counted = new Map<bigint, bigint>();
  for (let after = [INT64_MIN, INT64_MIN]; ;) {
    const rows = await read<Row>('verify_order_numbers', ...after, end, ROWS_A_READ);
    for (const { store_id, entries } of rows) counted.set(store_id, (counted.get(store_id) ?? 0n) + entries);
    const last = rows.at(-1);
    // Fewer: the end of the index. Rows that come meanwhile must not keep the reading busy for ever.
    if (!last || rows.reduce((sum, { entries_read }) => sum + entries_read, 0n) < ROWS_A_READ) return counted;
    after = [last.store_id, last.last_number];
    yield pass.progress(end);
  }
}

/** Reads one store by its numbers, to name what is wrong with them. */
async function* readStore(
  read: Read,
  reading: StoreReading,
  store: {
    readonly storeId: bigint;
    readonly end: bigint;
    readonly losses: Losses;
    progress(orderId: bigint): VerifyProgress;
  },
): AsyncGenerator<VerifyEvent> {
  interface Row {
    readonly order_number: bigint;
    readonly order_id: bigint;
    readonly count: bigint;
    readonly create_time_ms: bigint;
  }
  const { storeId, end, losses } = store;
  for (let after = INT64_MIN; ;) {
    const rows = await read<Row>('verify_store_rows', storeId, after, ROWS_A_READ);
    for (const { order_number, order_id, count, create_time_ms } of rows) {
      if (order_id <= end) reading.add([order_number, order_id, count, create_time_ms]);
    }
    yield* reading.takeFindings(losses);
    if (rows.length < ROWS_A_READ) break;
    const last = rows.at(-1)!;
    after = last.order_number;
    yield store.progress(last.order_id < end ? last.order_id : end);
  }
  yield* reading.finish(losses);
}

function toCounter({ store_id, first_number, last_number, rows_end }: CounterRow): StoreCounter {
  return { storeId: store_id, firstNumber: first_number, lastNumber: last_number, rowsEnd: rows_end };
}

/** Where rows may have come since they were seen: they end at least there, and perhaps where the counter says. */
function withEndOf(store: StoreCounter, next: bigint | undefined): StoreCounter {
  const seenEnd = next === undefined ? store.lastNumber : next - 1n;
  return { ...store, rowsEnd: seenEnd > store.lastNumber ? seenEnd : store.lastNumber };
}
