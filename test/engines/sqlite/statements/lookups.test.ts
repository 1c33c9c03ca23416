import { describe, expect, it } from 'vitest';
import type { Allocation } from '../../../../src/core/allocation.ts';
import { lastOrderIdOf } from '../../../../src/core/allocation.ts';
import { BatchTransaction } from '../../../../src/engines/sqlite/statements/batch-transaction.ts';
import { Queries } from '../../../../src/engines/sqlite/statements/queries.ts';
import { toAllocation } from '../../../../src/engines/sqlite/statements/rows.ts';
import { memoryDatabase } from './memory-database.ts';

/** Runs of three stores among one another, of different lengths. */
const RUNS = [
  [7n, 1],
  [8n, 3],
  [7n, 2],
  [7n, 1],
  [9n, 1],
  [8n, 1],
  [7n, 4],
  [8n, 2],
] as const;

function filled() {
  const db = memoryDatabase();
  const batches = new BatchTransaction(db, true);
  const requests = RUNS.map(([storeId, count], i) => ({ storeId, count, requestId: `r${i}`, caller: '' }));
  const { outcomes, lastOrderId } = batches.commit(requests);
  const allocations = outcomes.map((outcome) => (outcome as { allocation: Allocation }).allocation);
  return { db, queries: new Queries(db), allocations, lastOrderId };
}

describe('a lookup', () => {
  it('finds an allocation by any number of its run, and none by another', () => {
    const { queries, allocations, lastOrderId } = filled();
    for (let orderId = -1n; orderId <= lastOrderId + 2n; orderId++) {
      const known = allocations.find((one) => one.orderId <= orderId && orderId <= lastOrderIdOf(one));
      expect(queries.getAllocation({ orderId })).toEqual(known);
    }
    for (const storeId of [6n, 7n, 8n, 9n, 10n]) {
      for (let orderNumber = 98n; orderNumber < 110n; orderNumber++) {
        const known = allocations.find(
          (one) =>
            one.storeId === storeId &&
            one.orderNumber <= orderNumber &&
            orderNumber < one.orderNumber + BigInt(one.count),
        );
        expect(queries.getAllocation({ storeId, orderNumber })).toEqual(known);
      }
    }
  });

  it('finds none in a hole', () => {
    const { db, queries, allocations } = filled();
    db.exec("DELETE FROM allocations WHERE request_id = 'r1'");
    expect(queries.getAllocation({ orderId: 4n })).toBeUndefined();
    expect(queries.getAllocation({ storeId: 8n, orderNumber: 101n })).toBeUndefined();
    expect(queries.getAllocation({ orderId: 5n })).toEqual(allocations[2]);
  });

  it('finds an allocation by its request, in its store only', () => {
    const { queries, allocations } = filled();
    for (const one of allocations) {
      expect(queries.getAllocation({ storeId: one.storeId, requestId: one.requestId })).toEqual(one);
      expect(queries.getAllocation({ storeId: one.storeId + 10n, requestId: one.requestId })).toBeUndefined();
    }
    expect(queries.getAllocation({ storeId: 7n, requestId: 'r' })).toBeUndefined();
  });
});

describe('a list of allocations', () => {
  const everything = { storeId: undefined, afterOrderId: 0n, upToOrderId: 2n ** 63n - 1n };

  it.each([undefined, 7n, 8n, 9n, 10n])('has those of a range, for store %s', (storeId) => {
    const { queries, allocations, lastOrderId } = filled();
    for (let afterOrderId = 0n; afterOrderId <= lastOrderId + 1n; afterOrderId++) {
      for (let upToOrderId = 0n; upToOrderId <= lastOrderId + 1n; upToOrderId++) {
        const inRange = allocations.filter(
          (one) =>
            (storeId === undefined || one.storeId === storeId) &&
            lastOrderIdOf(one) > afterOrderId &&
            one.orderId <= upToOrderId,
        );
        const range = { afterOrderId, upToOrderId, storeId, limit: 100 };
        expect(queries.listAllocations(range)).toEqual(inRange);
        expect(queries.listAllocations({ ...range, newestFirst: true })).toEqual(inRange.toReversed());
        expect(queries.listAllocations({ ...range, limit: 2 })).toEqual(inRange.slice(0, 2));
      }
    }
  });

  it('of all stores that begins after a hole begins with the next row', () => {
    const { db, queries, allocations } = filled();
    db.exec("DELETE FROM allocations WHERE request_id = 'r1'");
    expect(queries.listAllocations({ ...everything, afterOrderId: 3n, limit: 1 })).toEqual([allocations[2]]);
  });

  it('of a store is searched in few steps', () => {
    const db = memoryDatabase();
    const batches = new BatchTransaction(db, true);
    const requests = Array.from({ length: 1000 }, (_, i) => ({ storeId: 7n, count: 1, requestId: `${i}`, caller: '' }));
    batches.commit(requests);
    let steps = 0;
    const prepare = (sql: string) => {
      const statement = db.prepare(sql);
      const counted = (values: unknown[]) => {
        steps++;
        return statement.get(...values);
      };
      return {
        get: (...values: unknown[]) => counted(values),
        all: (...values: unknown[]) => statement.all(...values),
      };
    };
    const queries = new Queries({ prepare } as unknown as typeof db);
    const range = { afterOrderId: 700n, upToOrderId: 702n, storeId: 7n, limit: 10 };
    expect(queries.listAllocations(range).map(({ orderId }) => orderId)).toEqual([701n, 702n]);
    expect(steps).toBeLessThan(40);
  });
});

describe('stores', () => {
  it('are found, and listed within their bounds', () => {
    const { db, queries, lastOrderId } = filled();
    db.exec(
      "UPDATE stores SET first_number = 90, prefix = 'A', suffix = 'B', min_digits = 3, create_time_ms = 5 WHERE store_id = 8",
    );
    const eight = {
      storeId: 8n,
      firstNumber: 90n,
      lastNumber: 105n,
      prefix: 'A',
      suffix: 'B',
      minDigits: 3,
      createTimeMs: 5,
    };
    expect(queries.getStore(8n)).toEqual(eight);
    expect(queries.getStore(10n)).toBeUndefined();
    const ids = (afterStoreId: bigint, upToStoreId: bigint, limit = 10) =>
      queries.listStores({ afterStoreId, upToStoreId, limit }).map(({ storeId }) => storeId);
    expect(ids(0n, 100n)).toEqual([7n, 8n, 9n]);
    expect(ids(7n, 8n)).toEqual([8n]);
    expect(ids(0n, 100n, 2)).toEqual([7n, 8n]);
    expect(queries.listStores({ afterStoreId: 7n, upToStoreId: 8n, limit: 1 })).toEqual([eight]);
    expect(queries.end()).toEqual({ ledgerId: expect.any(String) as string, lastOrderId, lastStoreId: 9n });
  });

  it('of an empty ledger are none', () => {
    const queries = new Queries(memoryDatabase());
    expect(queries.end()).toMatchObject({ lastOrderId: 0n, lastStoreId: 0n });
    expect(queries.listStores({ afterStoreId: 0n, upToStoreId: 100n, limit: 10 })).toEqual([]);
  });
});

it('a row of a file that has no callers yet has none', () => {
  const row = {
    order_id: 1n,
    store_id: 7n,
    order_number: 100n,
    count: 2n,
    request_id: 'a',
    create_time_ms: 5n,
    prefix: 'A',
    suffix: 'B',
    min_digits: 3n,
  };
  const allocation = {
    orderId: 1n,
    storeId: 7n,
    orderNumber: 100n,
    count: 2,
    requestId: 'a',
    createTimeMs: 5,
    prefix: 'A',
    suffix: 'B',
    minDigits: 3,
    caller: '',
  };
  expect(toAllocation(row)).toEqual(allocation);
  expect(toAllocation({ ...row, caller: 'shop' })).toEqual({ ...allocation, caller: 'shop' });
});
