import type { Allocation } from '../../../core/allocation.ts';
import type { DeclaredLoss } from '../../../core/move/contents.ts';
import type { Store } from '../../../core/store.ts';
import type { LogEntry } from '../log/log-entry.ts';
import type { Item } from '../table/item.ts';
import { integerOf, numberOf, textOf } from '../table/item.ts';
import { changeKey, lossKey, orderIdBucket, orderIdKey, requestKey, runKey, storeListKey } from '../table/keys.ts';

// Items that can be derived again from the log at any time. None is ever changed, so writing one twice changes nothing,
// and an old copy of a write that arrives late is harmless.

/** A store as an entry of the log has left it. */
export interface StoreAt {
  readonly store: Store;
  /** The entry's. */
  readonly position: number;
  /** The first and the last order_number that the entry gave; undefined if it gave none. */
  readonly run: { readonly first: bigint; readonly last: bigint } | undefined;
}

/** All items that an entry leads to, each with a key of its own. */
export function derivedItems(entry: LogEntry): readonly Item[] {
  const { position, allocations, created } = entry;
  return [
    ...allocations.map((allocation) => requestItem(allocation, position)),
    ...storeItems(entry),
    ...[...created].map((storeId) => storeListItem(storeId, position)),
    ...orderIdItems(entry),
    ...lossItems(entry),
  ];
}

function requestItem(allocation: Allocation, position: number): Item {
  return {
    ...requestKey(allocation),
    attributes: {
      log: BigInt(position),
      order_id: allocation.orderId,
      order_number: allocation.orderNumber,
      count: BigInt(allocation.count),
      create_time_ms: BigInt(allocation.createTimeMs),
      prefix: allocation.prefix,
      suffix: allocation.suffix,
      min_digits: BigInt(allocation.minDigits),
      caller: allocation.caller,
    },
  };
}

/** The allocation that the item of this request has. */
export function toAllocation(item: Item, storeId: bigint, requestId: string): Allocation {
  return {
    storeId,
    requestId,
    orderId: integerOf(item, 'order_id'),
    orderNumber: integerOf(item, 'order_number'),
    count: numberOf(item, 'count'),
    createTimeMs: numberOf(item, 'create_time_ms'),
    prefix: textOf(item, 'prefix'),
    suffix: textOf(item, 'suffix'),
    minDigits: numberOf(item, 'min_digits'),
    caller: textOf(item, 'caller'),
  };
}

function storeItems({ position, allocations, stores }: LogEntry): Item[] {
  const given = new Map<bigint, bigint>();
  for (const { storeId, count } of allocations) given.set(storeId, (given.get(storeId) ?? 0n) + BigInt(count));
  return stores.map((store) => {
    const { storeId, firstNumber, lastNumber } = store;
    const first = lastNumber - (given.get(storeId) ?? 0n) + 1n;
    const isRun = given.has(storeId);
    const lastGiven = lastNumber >= firstNumber ? lastNumber : 0n;
    const key = isRun ? runKey(storeId, first) : changeKey(storeId, lastGiven, position);
    return {
      ...key,
      attributes: {
        log: BigInt(position),
        first_number: firstNumber,
        last_number: lastNumber,
        create_time_ms: BigInt(store.createTimeMs),
        prefix: store.prefix,
        suffix: store.suffix,
        min_digits: BigInt(store.minDigits),
        ...(isRun && { run_first: first }),
      },
    };
  });
}

export function toStoreAt(item: Item, storeId: bigint): StoreAt {
  const lastNumber = integerOf(item, 'last_number');
  const { run_first: first } = item.attributes;
  return {
    store: {
      storeId,
      firstNumber: integerOf(item, 'first_number'),
      lastNumber,
      createTimeMs: numberOf(item, 'create_time_ms'),
      prefix: textOf(item, 'prefix'),
      suffix: textOf(item, 'suffix'),
      minDigits: numberOf(item, 'min_digits'),
    },
    position: numberOf(item, 'log'),
    run: typeof first === 'bigint' ? { first, last: lastNumber } : undefined,
  };
}

function storeListItem(storeId: bigint, position: number): Item {
  return { ...storeListKey(storeId), attributes: { log: BigInt(position) } };
}

/** Every order_id of the entry is found in its bucket, whatever the bucket of the last one is. */
function orderIdItems({ position, allocations, lastOrderId }: LogEntry): Item[] {
  const [first] = allocations;
  if (!first) return [];
  const items: Item[] = [];
  for (let bucket = orderIdBucket(first.orderId); bucket <= orderIdBucket(lastOrderId); bucket++) {
    items.push({ ...orderIdKey(bucket, lastOrderId), attributes: { log: BigInt(position) } });
  }
  return items;
}

function lossItems({ position, losses }: LogEntry): Item[] {
  return losses.map(({ storeId, first, last, declareTimeMs }, i) => ({
    ...lossKey(position, i),
    attributes: {
      log: BigInt(position),
      first,
      last,
      declare_time_ms: declareTimeMs,
      ...(storeId !== undefined && { store_id: storeId }),
    },
  }));
}

export function toLoss(item: Item): DeclaredLoss {
  const { store_id: storeId } = item.attributes;
  return {
    storeId: typeof storeId === 'bigint' ? storeId : undefined,
    first: integerOf(item, 'first'),
    last: integerOf(item, 'last'),
    declareTimeMs: integerOf(item, 'declare_time_ms'),
  };
}
