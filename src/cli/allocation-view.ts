import type { Allocation } from '../client/index.ts';
import type { Column } from './columns.ts';
import { localTime, table } from './columns.ts';

/** How lists show allocations to people, one a line. */
export const ALLOCATION_COLUMNS: readonly Column<Allocation>[] = [
  { title: 'ORDER ID', width: 10, align: 'right', value: ({ orderId }) => String(orderId) },
  { title: 'STORE', width: 10, align: 'right', value: ({ storeId }) => String(storeId) },
  { title: 'NUMBER', width: 10, align: 'right', value: ({ orderNumber }) => String(orderNumber) },
  { title: 'COUNT', width: 5, align: 'right', value: ({ count }) => String(count) },
  { title: 'DISPLAY NUMBER', width: 14, value: ({ displayNumber }) => displayNumber },
  { title: 'CREATED', width: 29, value: ({ createTime }) => localTime(createTime) },
  { title: 'REQUEST ID', width: 10, value: ({ requestId }) => requestId },
];

/** One allocation for people, a field a line; a run shows its first and its last numbers. */
export function allocationTable(allocation: Allocation, more: readonly (readonly [string, string])[] = []): string {
  const { orderId, orderNumber, count } = allocation;
  const runOf = (first: bigint) => (count === 1 ? String(first) : `${first} to ${first + BigInt(count) - 1n}`);
  return table([
    ['order id', runOf(orderId)],
    ['order number', runOf(orderNumber)],
    ['display number', allocation.displayNumber],
    ['store', String(allocation.storeId)],
    ['request id', allocation.requestId],
    ...(count === 1 ? [] : [['count', String(count)]]),
    ['created', localTime(allocation.createTime)],
    ...more,
  ]);
}
