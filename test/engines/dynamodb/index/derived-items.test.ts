import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { derivedItems, toAllocation, toStoreAt } from '../../../../src/engines/dynamodb/index/derived-items.ts';
import { keyText } from '../../../../src/engines/dynamodb/table/item.ts';
import { requestKey } from '../../../../src/engines/dynamodb/table/keys.ts';
import { ENTRY } from '../log/made-entries.ts';

it('no partition gets more than one write from an entry, but for the lists of stores, when stores are created', () => {
  fc.assert(
    fc.property(ENTRY, (entry) => {
      const items = derivedItems(entry);
      expect(new Set(items.map(keyText)).size).toBe(items.length);
      const writes = Map.groupBy(items, ({ partition }) => partition);
      const repeated = [...writes].filter(([, each]) => each.length > 1).map(([partition]) => partition);
      expect(repeated.filter((partition) => !partition.startsWith('stores#'))).toEqual([]);
      const listed = items.filter(({ partition }) => partition.startsWith('stores#'));
      expect(listed).toHaveLength(entry.created.size);
    }),
  );
});

it('P5: each request leads to the allocation that the log has', () => {
  fc.assert(
    fc.property(ENTRY, (entry) => {
      const items = new Map(derivedItems(entry).map((item) => [keyText(item), item]));
      for (const allocation of entry.allocations) {
        const item = items.get(keyText(requestKey(allocation)))!;
        expect(toAllocation(item, allocation.storeId, allocation.requestId)).toEqual(allocation);
      }
    }),
  );
});

it('P2: each store leads to its state after the entry, and to the numbers that the entry gave it', () => {
  fc.assert(
    fc.property(ENTRY, (entry) => {
      const items = derivedItems(entry);
      for (const store of entry.stores) {
        const item = items.find(({ partition }) => partition === `store#${store.storeId}`);
        const rows = entry.allocations.filter(({ storeId }) => storeId === store.storeId);
        const run = rows.length === 0 ? undefined : { first: rows[0]!.orderNumber, last: store.lastNumber };
        expect(toStoreAt(item!, store.storeId)).toEqual({ store, position: entry.position, run });
      }
    }),
  );
});

it('P1: an entry whose order_ids are in two buckets is found in both', () => {
  const [entry] = fc.sample(
    ENTRY.filter(({ allocations }) => allocations.length === 1),
    { numRuns: 1, seed: 2 },
  );
  const allocation = { ...entry!.allocations[0]!, orderId: 999_999n, count: 3 };
  const items = derivedItems({ ...entry!, allocations: [allocation], lastOrderId: 1_000_001n });
  const found = items.filter(({ partition }) => partition.startsWith('oid#'));
  expect(found.map(keyText)).toEqual(['oid#0 1000001', 'oid#1 1000001']);
});
