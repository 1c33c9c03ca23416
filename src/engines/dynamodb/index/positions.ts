import type { LedgerView } from '../log/ledger-view.ts';
import { firstOfBucket, orderIdBucket, storePartition } from '../table/keys.ts';
import { numberOf } from '../table/item.ts';
import type { Table } from '../table/table.ts';
import { readEntry } from '../log/log-reader.ts';
import { findOrderId } from './lookups.ts';

/** Runs of a store that are read at once. */
const RUNS_PER_READ = 100;

// Where in the log something is. All of this is called under a pin of the view, so that what the derived items lack is in
// its tail.

/** The position of the first entry that ends at an order_id or above it; the one behind the head if none does. */
export async function positionOf(table: Table, view: LedgerView, orderId: bigint): Promise<number> {
  const { genesis, tail, head, lastOrderId } = view;
  const first = orderId > genesis.firstOrderId ? orderId : genesis.firstOrderId;
  if (first > lastOrderId) return head.position + 1;
  // It is older than the tail unless it is above the end of the tail's first entry.
  const inTail = tail.findIndex((entry) => entry.lastOrderId >= first);
  if (inTail > 0) return tail[inTail]!.position;
  const known = tail[0]?.position ?? head.position;
  const bucket = orderIdBucket(first);
  // Many numbers may have been lost at once, and then the next buckets have no item at all.
  const found =
    (await findOrderId(table, first)) ??
    (await findOrderId(table, firstOfBucket(bucket + 1n))) ??
    (await halvedPosition(table, first, known));
  // The items of the tail are written in any order: those of its first entry may be missing while those of the next
  // exist.
  return Math.min(found, known);
}

/** The same among the entries up to one that is known to end there or above, without an index. */
async function halvedPosition(table: Table, orderId: bigint, known: number): Promise<number> {
  let [low, high] = [0, known];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const entry = await readEntry(table, middle);
    if (entry && entry.lastOrderId < orderId) low = middle;
    else high = middle;
  }
  return high;
}

/** The positions of the entries that gave numbers to a store: from one on, or from one back. */
export async function* positionsOfStore(
  table: Table,
  view: LedgerView,
  storeId: bigint,
  from: number,
  newestFirst: boolean,
): AsyncGenerator<number> {
  const { indexedTo } = view;
  const tail = view.tail.flatMap(({ position, allocations }) =>
    position > indexedTo && allocations.some((allocation) => allocation.storeId === storeId) ? [position] : [],
  );
  const isWanted = (position: number) => (newestFirst ? position <= from : position >= from);
  if (newestFirst) yield* tail.toReversed().filter(isWanted);
  for await (const position of indexedPositions(table, storeId, from, newestFirst, view.head.position)) {
    if (isWanted(position) && position <= indexedTo) yield position;
  }
  if (!newestFirst) yield* tail.filter(isWanted);
}

/** May include some on the other side of `from`. */
async function* indexedPositions(
  table: Table,
  storeId: bigint,
  from: number,
  newestFirst: boolean,
  end: number,
): AsyncGenerator<number> {
  const partition = storePartition(storeId);
  const isWhole = newestFirst ? from >= end : from <= 1;
  const place = isWhole ? undefined : await lastPlaceBefore(table, partition, newestFirst ? from + 1 : from);
  if (newestFirst && !isWhole && place === undefined) return;
  const bound = place === undefined ? {} : newestFirst ? { to: place } : { from: place };
  for await (const items of table.pages({ partition, ...bound, newestFirst }, RUNS_PER_READ)) {
    for (const item of items) if (item.attributes['run_first'] !== undefined) yield numberOf(item, 'log');
  }
}

/**
 * The place in a store's partition behind which nothing is older than a position; undefined if nothing there is older. The
 * items are in the order of the log, so it is found by halving what lies between the first and the last.
 */
async function lastPlaceBefore(table: Table, partition: string, position: number): Promise<string | undefined> {
  const [newest] = await table.list({ partition, newestFirst: true }, 1);
  if (!newest || numberOf(newest, 'log') < position) return newest?.sort;
  const [oldest] = await table.list({ partition }, 1);
  if (!oldest || numberOf(oldest, 'log') >= position) return undefined;
  let [low, high] = [wholePart(oldest.sort), wholePart(newest.sort) + 1n];
  let place = oldest.sort;
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    const [item] = await table.list({ partition, to: String(middle), newestFirst: true }, 1);
    if (item && numberOf(item, 'log') >= position) high = middle;
    else {
      low = middle;
      place = item?.sort ?? place;
    }
  }
  return place;
}

function wholePart(place: string): bigint {
  return BigInt(place.split('.')[0]!);
}
