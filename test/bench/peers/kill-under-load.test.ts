import Database from 'better-sqlite3';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compareAnswers, killUnderLoad } from '../../../bench/peers/kill-under-load.ts';
import type { NumberingPeer } from '../../../bench/peers/order-client.ts';
import { sqlitePerOrder } from '../../../bench/peers/sqlite/sqlite-peer.ts';
import { testFolder } from '../../support/processes/server-process.ts';

const FAULTLESS = { lost: 0, repeats: 0, holes: 0 };

describe('a kill -9 under load', () => {
  it('shows no fault of a peer that keeps what it answered', async () => {
    const result = await killUnderLoad(sqlitePerOrder, testFolder());
    expect(result).toMatchObject({ orders: 1000, ...FAULTLESS });
    expect(result.acknowledged).toBeGreaterThanOrEqual(500);
    expect(result.acknowledged).toBeLessThan(1000);
  });

  it.each([
    ['that loses an answered order', 'DELETE FROM orders WHERE order_id = 3', { lost: 1, repeats: 0, holes: 2 }],
    [
      'that counts from the beginning again',
      'DELETE FROM orders; DELETE FROM stores; UPDATE counter SET last_order_id = 0',
      { holes: 0 },
    ],
  ])('shows the faults of a peer %s', async (_, sql, faults) => {
    const result = await killUnderLoad(damagedAtRestart(sql), testFolder());
    expect(result).toMatchObject(faults);
    expect(result.lost).toBeGreaterThanOrEqual(1);
  });
});

describe('the comparison of answers', () => {
  const ORDERS = ['a', 'b', 'c'].map((requestId) => ({ storeId: 7, requestId }));
  const FOUND = new Map([
    ['a', { orderId: 1, orderNumber: 1 }],
    ['b', { orderId: 2, orderNumber: 2 }],
    ['c', { orderId: 3, orderNumber: 3 }],
  ]);
  const DENSE = { orders: 3, holes: 0, repeats: 0 };

  it('finds nothing if answers stay as they were', () => {
    expect(compareAnswers(ORDERS, told(1, 1), FOUND, DENSE)).toEqual(FAULTLESS);
  });

  it.each([
    ['order_id', told(9, 1)],
    ['order_number', told(1, 9)],
  ])('finds an answered order lost that has another %s', (_, before) => {
    expect(compareAnswers(ORDERS, before, FOUND, DENSE)).toEqual({ ...FAULTLESS, lost: 1 });
  });

  it('finds a number repeated that was told to another order before', () => {
    expect(compareAnswers(ORDERS, told(2, 9), FOUND, DENSE)).toEqual({ ...FAULTLESS, lost: 1, repeats: 1 });
  });

  it('finds an order stored twice, and what the stored numbers show', () => {
    expect(compareAnswers(ORDERS, new Map(), FOUND, { ...DENSE, orders: 4 })).toEqual({ ...FAULTLESS, repeats: 1 });
    const faulty = { orders: 3, holes: 2, repeats: 4 };
    expect(compareAnswers(ORDERS, new Map(), FOUND, faulty)).toEqual({ lost: 0, holes: 2, repeats: 4 });
  });
});

/** The only answer before the kill, to the order a. */
function told(orderId: number, orderNumber: number) {
  return new Map([['a', { orderId, orderNumber }]]);
}

/** A peer whose file is changed between the kill and the restart. */
function damagedAtRestart(sql: string): NumberingPeer {
  return {
    ...sqlitePerOrder,
    async start(folder) {
      const path = join(folder, 'orders.db');
      if (existsSync(path)) {
        const db = new Database(path);
        db.exec(sql);
        db.close();
      }
      return sqlitePerOrder.start(folder);
    },
  };
}
