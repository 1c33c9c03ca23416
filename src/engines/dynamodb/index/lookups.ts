import type { Allocation } from '../../../core/allocation.ts';
import { OrderError } from '../../../core/errors.ts';
import { keyText } from '../table/item.ts';
import { orderIdBucket, orderIdKey, requestKey, storePartition } from '../table/keys.ts';
import type { Table } from '../table/table.ts';
import { numberOf } from '../table/item.ts';
import type { StoreAt } from './derived-items.ts';
import { toAllocation, toStoreAt } from './derived-items.ts';

/** Stores that are looked up at once: a request that waits for a connection of the SDK's client may run out of time. */
export const STORES_AT_ONCE = 32;

/** The key of a request. */
export interface RequestKey {
  readonly storeId: bigint;
  readonly requestId: string;
}

// What the derived items have. They may lack the last entries of the log, which the tail of a view has.

/** Those of these requests that have an allocation, or one that cannot be read, by their places in the list. */
export async function findAllocations(
  table: Table,
  requests: readonly RequestKey[],
): Promise<ReadonlyMap<number, Allocation | OrderError>> {
  const keys = requests.map(requestKey);
  const items = await table.getAll(keys);
  const found = new Map<number, Allocation | OrderError>();
  for (const [i, key] of keys.entries()) {
    const item = items.get(keyText(key));
    const { storeId, requestId } = requests[i]!;
    if (!item) continue;
    try {
      found.set(i, toAllocation(item, storeId, requestId));
    } catch (error) {
      found.set(i, damageOf(error));
    }
  }
  return found;
}

/** A store as the newest entry has left it. */
export async function findStore(table: Table, storeId: bigint): Promise<StoreAt | undefined> {
  const [item] = await table.list({ partition: storePartition(storeId), newestFirst: true }, 1);
  return item && toStoreAt(item, storeId);
}

/** The position of the entry that may have given an order_number: the one with the last run that begins at or below it. */
export async function findOrderNumber(table: Table, storeId: bigint, orderNumber: bigint): Promise<number | undefined> {
  const range = { partition: storePartition(storeId), to: String(orderNumber), newestFirst: true };
  const [item] = await table.list(range, 1);
  const found = item && toStoreAt(item, storeId);
  const hasIt = found?.run !== undefined && found.run.last >= orderNumber;
  return hasIt ? found.position : undefined;
}

/** The position of the first entry that ends at an order_id or above it, as far as its bucket has one. */
export async function findOrderId(table: Table, orderId: bigint): Promise<number | undefined> {
  const { partition, sort } = orderIdKey(orderIdBucket(orderId), orderId);
  const [item] = await table.list({ partition, from: sort }, 1);
  return item && numberOf(item, 'log');
}

/**
 * The damage of an item as a value: it is no reason to refuse requests that need only other items. Rethrows any other
 * error.
 */
export function damageOf(error: unknown): OrderError {
  if (error instanceof OrderError) return error;
  throw error;
}
