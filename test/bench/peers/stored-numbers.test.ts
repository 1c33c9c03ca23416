import { describe, expect, it } from 'vitest';
import { readDensity } from '../../../bench/peers/postgres/postgres-density.ts';
import { readStored } from '../../../bench/peers/redis/redis-peer.ts';
import { countDensity } from '../../../bench/peers/stored-numbers.ts';

/** Three orders of two stores; the sequence of store 8 begins with 100. */
const ORDERS = [
  { orderId: 1, storeId: 7, orderNumber: 1 },
  { orderId: 2, storeId: 8, orderNumber: 100 },
  { orderId: 3, storeId: 7, orderNumber: 2 },
];
const COUNTERS = counters({ orders: 3, store7: 2, store8: 100 });
const DENSE = { orders: 3, holes: 0, repeats: 0 };

describe('what a peer has stored', () => {
  it('has neither holes nor repeats if all numbers are there once, in whatever order', () => {
    expect(countDensity(ORDERS.toReversed(), COUNTERS)).toEqual(DENSE);
    expect(countDensity([], counters({ orders: 0, store7: 0, store8: 99 }))).toEqual({ ...DENSE, orders: 0 });
  });

  it.each(ORDERS)('has a hole in both sequences without order $orderId', (missing) => {
    const rest = ORDERS.filter((order) => order !== missing);
    expect(countDensity(rest, COUNTERS)).toEqual({ orders: 2, holes: 2, repeats: 0 });
  });

  it.each([
    ['of all orders', counters({ orders: 5, store7: 2, store8: 100 })],
    ['of a store', counters({ orders: 3, store7: 2, store8: 102 })],
  ])('has holes where the counter %s counted numbers that no order has', (_, counted) => {
    expect(countDensity(ORDERS, counted)).toEqual({ orders: 3, holes: 2, repeats: 0 });
  });

  it('has a repeat for each number that a second order has', () => {
    const again = { orderId: 3, storeId: 8, orderNumber: 100 };
    expect(countDensity([...ORDERS, again], COUNTERS)).toEqual({ orders: 4, holes: 0, repeats: 2 });
  });

  it.each([
    [
      'above its counter',
      { orderId: 4, storeId: 7, orderNumber: 2 },
      'order_id: 4 was given, but the counter covers 1 to 3',
    ],
    ['below its first', { orderId: 3, storeId: 8, orderNumber: 99 }, 'store 8: 99 was given'],
    ['that is none', { orderId: NaN, storeId: 7, orderNumber: 2 }, 'order_id: NaN was given'],
    ['of an unknown store', { orderId: 3, storeId: 9, orderNumber: 1 }, 'store 9 has orders but no counter'],
  ])('is refused with a number %s', (_, order, message) => {
    expect(() => countDensity([...ORDERS, order], COUNTERS)).toThrow(message);
  });
});

describe('what Redis returns', () => {
  const LINES = ['counter 3', 'store 7 2', 'store 8 1', 'order 3 7 2', 'order 1 7 1', 'order 2 8 1'];

  it('is counted', () => expect(readStored(LINES)).toEqual(DENSE));

  it('has a hole if the key of a request is gone', () => {
    expect(readStored(LINES.filter((line) => line !== 'order 2 8 1'))).toEqual({ orders: 2, holes: 2, repeats: 0 });
  });

  it('has a repeat if two requests have one pair', () => {
    expect(readStored([...LINES, 'order 2 8 1'])).toEqual({ orders: 4, holes: 0, repeats: 2 });
  });
});

describe('what PostgreSQL returns', () => {
  const ROWS = ORDERS.map(({ orderId, storeId, orderNumber }) => ({
    order_id: BigInt(orderId),
    store_id: BigInt(storeId),
    order_number: BigInt(orderNumber),
  }));
  const COUNTED = [
    { store_id: null, first: 1n, last: 3n },
    { store_id: 7n, first: 1n, last: 2n },
    { store_id: 8n, first: 100n, last: 100n },
  ];

  it('is counted', () => expect(readDensity(ROWS, COUNTED)).toEqual(DENSE));

  it('has holes without a row', () => {
    expect(readDensity(ROWS.slice(1), COUNTED)).toEqual({ orders: 2, holes: 2, repeats: 0 });
  });
});

function counters({ orders, store7, store8 }: { orders: number; store7: number; store8: number }) {
  return {
    orders: { first: 1, last: orders },
    stores: new Map([
      [7, { first: 1, last: store7 }],
      [8, { first: 100, last: store8 }],
    ]),
  };
}
