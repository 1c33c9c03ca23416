import type Database from 'better-sqlite3';
import type { Allocation } from '../../../core/allocation.ts';
import { INT64_MAX } from '../../../core/allocation.ts';
import type { AllocationKey, AllocationRange, LedgerEnd, StoreRange } from '../../../core/ledger.ts';
import type { Store } from '../../../core/store.ts';
import { LedgerCounter } from '../file/ledger-row.ts';
import type { AllocationRow, StoreRow } from './rows.ts';
import { toAllocation, toStore } from './rows.ts';

/** All reads of a ledger, each of them short. Prepared once per connection. */
export class Queries {
  readonly #counter: LedgerCounter;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(db: Database.Database) {
    this.#counter = new LedgerCounter(db);
    this.#statements = prepare(db);
  }

  end(): LedgerEnd {
    const { ledgerId, lastOrderId } = this.#counter.read();
    return { ledgerId, lastOrderId, lastStoreId: this.#statements.lastStore.get()?.store_id ?? 0n };
  }

  getStore(storeId: bigint): Store | undefined {
    const row = this.#statements.store.get(storeId);
    return row && toStore(row);
  }

  listStores({ afterStoreId, upToStoreId, limit }: StoreRange): Store[] {
    return this.#statements.stores.all(afterStoreId, upToStoreId, limit).map(toStore);
  }

  getAllocation(key: AllocationKey): Allocation | undefined {
    if ('requestId' in key) {
      const row = this.#statements.byRequestId.get(key.storeId, key.requestId);
      return row && toAllocation(row);
    }
    if ('orderId' in key) {
      const row = this.#statements.lastUpToOrderId.get(key.orderId);
      return row && row.order_id + row.count > key.orderId ? toAllocation(row) : undefined;
    }
    const row = this.#statements.lastUpToOrderNumber.get(key.storeId, key.orderNumber);
    return row && row.order_number + row.count > key.orderNumber ? toAllocation(row) : undefined;
  }

  listAllocations({ afterOrderId, upToOrderId, newestFirst, storeId, limit }: AllocationRange): Allocation[] {
    const direction = newestFirst ? 'descending' : 'ascending';
    if (storeId === undefined) {
      const before = this.#statements.lastUpToOrderId.get(afterOrderId);
      const below = before && endOf(before) > afterOrderId ? before.order_id - 1n : afterOrderId;
      return this.#statements.betweenOrderIds[direction].all(below, upToOrderId, limit).map(toAllocation);
    }
    const first = this.#firstNumber(storeId, (row) => endOf(row) > afterOrderId);
    if (first === undefined) return [];
    const beyond = this.#firstNumber(storeId, (row) => row.order_id > upToOrderId);
    const last = beyond === undefined ? INT64_MAX : beyond - 1n;
    // The bound is given again, because rows committed since the search may be beyond it.
    return this.#statements.betweenOrderNumbers[direction]
      .all(storeId, first, last, upToOrderId, limit)
      .map(toAllocation);
  }

  /**
   * The order_number of a store's first row that `isBeyond`, as are all rows after it. Within a store both numbers rise
   * together, so a binary search over the index of order_numbers finds it.
   */
  #firstNumber(storeId: bigint, isBeyond: (row: AllocationRow) => boolean): bigint | undefined {
    const { firstOfStore, lastOfStore, lastUpToOrderNumber } = this.#statements;
    const first = firstOfStore.get(storeId);
    const last = lastOfStore.get(storeId);
    if (!first || !last || !isBeyond(last)) return undefined;
    if (isBeyond(first)) return first.order_number;
    let low = first.order_number + 1n;
    let high = last.order_number;
    while (low < high) {
      const middle: bigint = low + (high - low) / 2n;
      const row = lastUpToOrderNumber.get(storeId, middle)!;
      if (isBeyond(row)) high = row.order_number;
      else low = middle + 1n;
    }
    return low;
  }
}

function endOf(row: AllocationRow): bigint {
  return row.order_id + row.count - 1n;
}

function prepare(db: Database.Database) {
  const allocation = <Parameters extends unknown[]>(clause: string) =>
    db.prepare<Parameters, AllocationRow>(`SELECT * FROM allocations ${clause}`);
  return {
    lastStore: db.prepare<[], { store_id: bigint | null }>('SELECT max(store_id) AS store_id FROM stores'),
    store: db.prepare<[bigint], StoreRow>('SELECT * FROM stores WHERE store_id = ?'),
    stores: db.prepare<[bigint, bigint, number], StoreRow>(
      'SELECT * FROM stores WHERE store_id > ? AND store_id <= ? ORDER BY store_id LIMIT ?',
    ),
    byRequestId: allocation<[bigint, string]>('WHERE store_id = ? AND request_id = ?'),
    lastUpToOrderId: allocation<[bigint]>('WHERE order_id <= ? ORDER BY order_id DESC LIMIT 1'),
    lastUpToOrderNumber: allocation<[bigint, bigint]>(
      'WHERE store_id = ? AND order_number <= ? ORDER BY order_number DESC LIMIT 1',
    ),
    firstOfStore: allocation<[bigint]>('WHERE store_id = ? ORDER BY order_number LIMIT 1'),
    lastOfStore: allocation<[bigint]>('WHERE store_id = ? ORDER BY order_number DESC LIMIT 1'),
    betweenOrderIds: inBothDirections('order_id', (order) =>
      allocation<[bigint, bigint, number]>(`WHERE order_id > ? AND order_id <= ? ORDER BY ${order} LIMIT ?`),
    ),
    betweenOrderNumbers: inBothDirections('order_number', (order) =>
      allocation<[bigint, bigint, bigint, bigint, number]>(
        `WHERE store_id = ? AND order_number BETWEEN ? AND ? AND order_id <= ? ORDER BY ${order} LIMIT ?`,
      ),
    ),
  };
}

function inBothDirections<Statement>(column: string, prepareIn: (order: string) => Statement) {
  return { ascending: prepareIn(column), descending: prepareIn(`${column} DESC`) };
}
