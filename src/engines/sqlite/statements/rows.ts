import type { Allocation } from '../../../core/allocation.ts';
import type { Store } from '../../../core/store.ts';

/** A row of the table `allocations`, as a connection with safe integers returns it. */
export interface AllocationRow {
  readonly order_id: bigint;
  readonly store_id: bigint;
  readonly order_number: bigint;
  readonly count: bigint;
  readonly request_id: string;
  readonly create_time_ms: bigint;
  readonly prefix: string;
  readonly suffix: string;
  readonly min_digits: bigint;
  /** Absent in a file of schema version 1 that was only opened to be read. */
  readonly caller?: string;
}

/** A row of the table `stores`. */
export interface StoreRow {
  readonly store_id: bigint;
  readonly first_number: bigint;
  readonly last_number: bigint;
  readonly prefix: string;
  readonly suffix: string;
  readonly min_digits: bigint;
  readonly create_time_ms: bigint;
}

export function toAllocation(row: AllocationRow): Allocation {
  return {
    orderId: row.order_id,
    storeId: row.store_id,
    orderNumber: row.order_number,
    count: Number(row.count),
    requestId: row.request_id,
    createTimeMs: Number(row.create_time_ms),
    prefix: row.prefix,
    suffix: row.suffix,
    minDigits: Number(row.min_digits),
    caller: row.caller ?? '',
  };
}

export function toStore(row: StoreRow): Store {
  return {
    storeId: row.store_id,
    firstNumber: row.first_number,
    lastNumber: row.last_number,
    prefix: row.prefix,
    suffix: row.suffix,
    minDigits: Number(row.min_digits),
    createTimeMs: Number(row.create_time_ms),
  };
}
