import { expect, it } from 'vitest';
import type { AllocationRequest } from '../../../../src/core/allocation.ts';
import { INT64_MAX, MAX_COUNT } from '../../../../src/core/allocation.ts';
import type { Outcome } from '../../../../src/core/ledger.ts';
import type { Store } from '../../../../src/core/store.ts';
import { entryItem } from '../../../../src/engines/dynamodb/log/entry-item.ts';
import { LedgerView } from '../../../../src/engines/dynamodb/log/ledger-view.ts';
import type { LogEntry } from '../../../../src/engines/dynamodb/log/log-entry.ts';
import { numberBatch } from '../../../../src/engines/dynamodb/log/numbering.ts';
import type { Item } from '../../../../src/engines/dynamodb/table/item.ts';

/** What one entry may have, and what DynamoDB allows. */
const MAX_ENTRY_BYTES = 300_000;

/**
 * As DynamoDB counts an item: names and texts in UTF-8, numbers with two digits a byte and one more, or two.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
 */
function bytesOf({ partition, sort, attributes }: Item): number {
  const values = Object.entries({ pk: partition, sk: BigInt(sort), ...attributes });
  return values.reduce((sum, [name, value]) => {
    const bytes = typeof value === 'string' ? Buffer.byteLength(value) : Math.ceil(String(value).length / 2) + 2;
    return sum + Buffer.byteLength(name) + bytes;
  }, 0);
}

/** The entries that a batch comes to: as many as it takes. */
function entriesOf(view: LedgerView, requests: readonly AllocationRequest[], known: readonly Store[] = []) {
  const stores = new Map(known.map((store) => [store.storeId, store]));
  const entries: LogEntry[] = [];
  const outcomes: Outcome[] = [];
  while (outcomes.length < requests.length) {
    const rest = requests.slice(outcomes.length);
    const batch = { requests: rest, isWanted: () => true, known: new Map(), stores, autoCreateStores: true };
    const numbered = numberBatch(view, batch);
    expect(numbered.outcomes.length).toBeGreaterThan(0);
    outcomes.push(...numbered.outcomes);
    if (!numbered.change) continue;
    const entry: LogEntry = {
      ...numbered.change,
      position: view.head.position + 1,
      previous: view.head.batchId,
      batchId: crypto.randomUUID(),
      server: crypto.randomUUID(),
      indexedTo: Number.MAX_SAFE_INTEGER,
      putMs: 29_999,
      lostRaces: 999_999,
    };
    view.apply(entry);
    for (const store of entry.stores) stores.set(store.storeId, store);
    entries.push(entry);
  }
  return { entries, outcomes };
}

function newView(firstOrderId = 1n): LedgerView {
  return new LedgerView({ ledgerId: crypto.randomUUID(), firstOrderId, isMoving: false }, undefined);
}

function requestsOf(count: number, request: (i: number) => Partial<AllocationRequest>): AllocationRequest[] {
  return Array.from({ length: count }, (_, i) => ({
    storeId: 7n,
    requestId: `r${i}`,
    count: 1,
    caller: '',
    ...request(i),
  }));
}

const storeIdOf = (i: number) => INT64_MAX - BigInt(i);

it.each([1000, 10_000])('P1 P2: %d of the longest requests are cut into entries that DynamoDB takes', (count) => {
  // All that JSON writes twice as long, in stores of their own with numbers of 19 digits.
  const known = Array.from({ length: count }, (_, i): Store => {
    const numbers = { firstNumber: 10n ** 18n, lastNumber: 10n ** 18n + BigInt(i) };
    return {
      storeId: storeIdOf(i),
      ...numbers,
      createTimeMs: 8e15,
      prefix: '"'.repeat(32),
      suffix: '\\'.repeat(32),
      minDigits: 19,
    };
  });
  const requests = requestsOf(count, (i) => ({
    storeId: storeIdOf(i),
    requestId: `${i}`.padStart(128, '"'),
    caller: `${i}`.padStart(64, '\\'),
    count: MAX_COUNT,
  }));
  const { entries, outcomes } = entriesOf(newView(10n ** 18n), requests, known);
  const sizes = entries.map((entry) => bytesOf(entryItem(entry)));
  expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_ENTRY_BYTES);
  // And not many more than it takes.
  expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThan(0.8 * MAX_ENTRY_BYTES);
  expect(outcomes).toHaveLength(count);
  expect(entries.flatMap(({ allocations }) => allocations.map(({ requestId }) => requestId))).toEqual(
    requests.map(({ requestId }) => requestId),
  );
  let next = 10n ** 18n;
  for (const { allocations } of entries) {
    for (const { orderId, count: numbers } of allocations) {
      expect(orderId).toBe(next);
      next += BigInt(numbers);
    }
  }
});

it('10,000 usual requests of one store take an entry or two', () => {
  const { entries } = entriesOf(
    newView(),
    requestsOf(10_000, () => ({ requestId: crypto.randomUUID() })),
  );
  const sizes = entries.map((entry) => bytesOf(entryItem(entry)));
  expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_ENTRY_BYTES);
  expect(entries.length).toBeLessThanOrEqual(3);
});

function keyed(...requestIds: string[]): AllocationRequest[] {
  return requestsOf(requestIds.length, (i) => ({ requestId: requestIds[i]! }));
}

it('P5: what the tail has is given again, and takes no number', () => {
  const view = newView();
  expect(entriesOf(view, keyed('a', 'b')).outcomes).toMatchObject([{ replayed: false }, { replayed: false }]);
  const again = entriesOf(view, keyed('c', 'b'));
  expect(again.outcomes).toMatchObject([
    { replayed: false, allocation: { orderId: 3n } },
    { replayed: true, allocation: { orderId: 2n } },
  ]);
  expect(entriesOf(view, keyed('b')).entries).toEqual([]);
});

it('a batch that is refused as a whole leaves no entry', () => {
  const { entries, outcomes } = entriesOf(
    newView(INT64_MAX),
    requestsOf(1, () => ({ count: 2 })),
  );
  expect(entries).toEqual([]);
  expect(outcomes).toMatchObject([{ refused: { reason: 'SEQUENCE_EXHAUSTED' } }]);
});
