import type { Density } from '../../peer.ts';
import type { StoredCounter, StoredOrder } from '../stored-numbers.ts';
import { countDensity } from '../stored-numbers.ts';

type Row = Readonly<Record<string, unknown>>;

/**
 * Counts the rows and counters of a database. Throws as {@link countDensity} does.
 * @param rows order_id, store_id and order_number of each order
 * @param counters store_id, first and last of each sequence; store_id is null for that of all orders
 */
export function readDensity(rows: readonly Row[], counters: readonly Row[]): Density {
  const orders = rows.map((row): StoredOrder => ({
    orderId: Number(row['order_id']),
    storeId: Number(row['store_id']),
    orderNumber: Number(row['order_number']),
  }));
  let all: StoredCounter = { first: 1, last: 0 };
  const stores = new Map<number, StoredCounter>();
  for (const row of counters) {
    const counter = { first: Number(row['first']), last: Number(row['last']) };
    if (row['store_id'] === null) all = counter;
    else stores.set(Number(row['store_id']), counter);
  }
  return countDensity(orders, { orders: all, stores });
}
