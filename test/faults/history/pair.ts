import type { Allocation } from '../../../src/client/index.ts';
import type { Allocation as WireAllocation } from '../../../src/wire/gen/orders/v1/orders.ts';
import { fromWireTime } from '../../../src/wire/values.ts';
import type { DenseRow } from '../../support/ledgers/dense-rows.ts';

/** Every field of an allocation that a caller can compare, as an answer, an observer or the ledger has it. */
export interface Pair {
  readonly orderId: bigint;
  readonly storeId: bigint;
  readonly orderNumber: bigint;
  readonly count: number;
  readonly requestId: string;
  readonly createTimeMs: number;
}

export function pairOf({ orderId, storeId, orderNumber, count, requestId, createTime }: Allocation): Pair {
  return { orderId, storeId, orderNumber, count, requestId, createTimeMs: createTime.getTime() };
}

/** The same from an answer of the generated client. */
export function pairOfWire({ orderId, storeId, orderNumber, count, requestId, createTime }: WireAllocation): Pair {
  return { orderId, storeId, orderNumber, count, requestId, createTimeMs: fromWireTime(createTime!) };
}

export function pairOfRow(row: DenseRow): Pair {
  return {
    orderId: row.order_id,
    storeId: row.store_id,
    orderNumber: row.order_number,
    count: Number(row.count),
    requestId: row.request_id,
    createTimeMs: Number(row.create_time_ms),
  };
}

export function isSame(a: Pair, b: Pair): boolean {
  return (
    a.orderId === b.orderId &&
    a.storeId === b.storeId &&
    a.orderNumber === b.orderNumber &&
    a.count === b.count &&
    a.requestId === b.requestId &&
    a.createTimeMs === b.createTimeMs
  );
}

export function lastOrderId({ orderId, count }: Pair): bigint {
  return orderId + BigInt(count) - 1n;
}

export function lastNumber({ orderNumber, count }: Pair): bigint {
  return orderNumber + BigInt(count) - 1n;
}

export function textOf({ orderId, storeId, orderNumber, count, requestId, createTimeMs }: Pair): string {
  const run = count === 1 ? '' : `, ${count} numbers`;
  return `order_id ${orderId}, number ${orderNumber} of store ${storeId}${run}, request ${requestId}, at ${createTimeMs}`;
}
