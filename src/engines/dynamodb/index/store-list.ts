import { STORE_LISTS, storeListPartition } from '../table/keys.ts';
import type { Table } from '../table/table.ts';

/** The ids of the first `limit` stores above an id, in order, as far as they are listed. */
export async function listedStores(table: Table, afterStoreId: bigint, limit: number): Promise<readonly bigint[]> {
  const from = String(afterStoreId + 1n);
  const lists = await Promise.all(partitions().map((partition) => table.list({ partition, from }, limit)));
  const ids = lists.flatMap((items) => items.map(({ sort }) => BigInt(sort)));
  return ids.toSorted((a, b) => (a < b ? -1 : 1)).slice(0, limit);
}

/** The greatest id of a listed store; 0 if there is none. */
export async function lastListedStore(table: Table): Promise<bigint> {
  const lists = await Promise.all(partitions().map((partition) => table.list({ partition, newestFirst: true }, 1)));
  return lists.flatMap((items) => items.map(({ sort }) => BigInt(sort))).reduce((a, b) => (a > b ? a : b), 0n);
}

function partitions(): string[] {
  return Array.from({ length: STORE_LISTS }, (_, i) => storeListPartition(i));
}
