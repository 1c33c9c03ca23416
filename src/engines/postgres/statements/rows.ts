import type { QueryResultRow } from 'pg';
import type { Allocation } from '../../../core/allocation.ts';
import type { Store } from '../../../core/store.ts';

/** Runs one short read in a transaction of its own: int8 columns come as bigint, int4 as number. */
export type Query = <Row extends QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<Row[]>;

/** An allocation with its caller: int8 columns as bigint, all null if a lookup found none. */
export interface AllocationRow {
  readonly order_id: bigint | null;
  readonly store_id: bigint;
  readonly order_number: bigint;
  readonly count: number;
  readonly request_id: string;
  readonly create_time_ms: bigint;
  readonly prefix: string;
  readonly suffix: string;
  readonly min_digits: number;
  readonly caller: string;
}

/** A row of the table `stores`: all null if there is none. */
export interface StoreRow {
  readonly store_id: bigint | null;
  readonly first_number: bigint;
  readonly last_number: bigint;
  readonly prefix: string;
  readonly suffix: string;
  readonly min_digits: number;
  readonly create_time_ms: bigint;
}

export function toAllocations(rows: readonly AllocationRow[]): Allocation[] {
  return rows.flatMap((row) =>
    row.order_id === null
      ? []
      : [
          {
            orderId: row.order_id,
            storeId: row.store_id,
            orderNumber: row.order_number,
            count: row.count,
            requestId: row.request_id,
            createTimeMs: Number(row.create_time_ms),
            prefix: row.prefix,
            suffix: row.suffix,
            minDigits: row.min_digits,
            caller: row.caller,
          },
        ],
  );
}

export function toStores(rows: readonly StoreRow[]): Store[] {
  return rows.flatMap((row) =>
    row.store_id === null
      ? []
      : [
          {
            storeId: row.store_id,
            firstNumber: row.first_number,
            lastNumber: row.last_number,
            prefix: row.prefix,
            suffix: row.suffix,
            minDigits: row.min_digits,
            createTimeMs: Number(row.create_time_ms),
          },
        ],
  );
}
