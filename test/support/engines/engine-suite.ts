import { describe, expect, it } from 'vitest';
import type { Allocation, AllocationRequest } from '../../../src/core/allocation.ts';
import { INT64_MAX, newRequestId } from '../../../src/core/allocation.ts';
import type { Ledger, Outcome } from '../../../src/core/ledger.ts';
import { callersSuite } from './engine-suite-callers.ts';
import { exhaustedSuite } from './engine-suite-exhausted.ts';
import { lookupsSuite } from './engine-suite-lookups.ts';
import { storesSuite } from './engine-suite-stores.ts';
import type { Counters } from './ledger-model.ts';
import { ask, LedgerModel, randomIntegers, range } from './ledger-model.ts';
import { listAfter } from './memory-reads.ts';

/** One ledger, and what only its engine can do to it. */
export interface TestLedger {
  /** Closes it if it is open, sets these counters in its storage, and opens it, ready. */
  open(counters?: Counters): Promise<Ledger>;
}

/** Creates an empty ledger; `autoCreateStores`, true by default, is the engine's option. */
export type NewLedger = (autoCreateStores?: boolean) => TestLedger;

const CALLERS = ['', 'checkout-eu', 'pos'];
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * What every engine promises, tested through the interface {@link Ledger} alone. `newLedger` creates an empty
 * one that is closed when the test ends.
 */
export function engineSuite(name: string, make: (autoCreateStores: boolean) => TestLedger): void {
  const newLedger: NewLedger = (autoCreateStores = true) => make(autoCreateStores);
  describe(`engine suite: ${name}`, () => {
    describe('sequences', () => {
      sequences(newLedger);
    });
    describe('order in time', () => {
      orderInTime(newLedger);
    });
    describe('replays', () => {
      replays(newLedger);
    });
    describe('callers', () => {
      callersSuite(newLedger);
    });
    describe('int64', () => {
      int64(newLedger);
    });
    describe('exhausted sequences', () => {
      exhaustedSuite(newLedger);
    });
    describe('listing', () => {
      listing(newLedger);
    });
    describe('stores', () => {
      storesSuite(newLedger);
    });
    describe('lookups and listeners', () => {
      lookupsSuite(newLedger);
    });
    describe('random runs', () => {
      randomRuns(newLedger);
    });
  });
}

function sequences(newLedger: NewLedger): void {
  it('P1: order_ids are 1, 2, 3, … over all stores', async () => {
    const ledger = await newLedger().open();
    const first = await commit(ledger, [ask(7n), ask(8n), ask(7n)]);
    const second = await commit(ledger, [ask(9n), ask(8n)]);
    expect([...first, ...second].map((a) => a.orderId)).toEqual([1n, 2n, 3n, 4n, 5n]);
  });

  it('P2: order_numbers of each store are 100, 101, 102, …', async () => {
    const ledger = await newLedger().open();
    const first = await commit(ledger, [ask(7n), ask(8n), ask(7n)]);
    const second = await commit(ledger, [ask(8n), ask(7n)]);
    expect([...first, ...second].map((a) => a.orderNumber)).toEqual([100n, 100n, 101n, 101n, 102n]);
  });

  it('P1 P2: both sequences continue where they ended after the ledger was reopened', async () => {
    const room = newLedger();
    await commit(await room.open(), [ask(7n), ask(8n), ask(7n)]);
    expect(await commit(await room.open(), [ask(7n), ask(8n)])).toMatchObject([
      { orderId: 4n, orderNumber: 102n },
      { orderId: 5n, orderNumber: 101n },
    ]);
  });

  it('P1 P2: a run takes its whole count in both sequences', async () => {
    const ledger = await newLedger().open();
    expect(await commit(ledger, [ask(7n), ask(7n, 5), ask(8n, 1000), ask(7n)])).toMatchObject([
      { orderId: 1n, orderNumber: 100n, count: 1 },
      { orderId: 2n, orderNumber: 101n, count: 5 },
      { orderId: 7n, orderNumber: 100n, count: 1000 },
      { orderId: 1007n, orderNumber: 106n, count: 1 },
    ]);
    expect(await commit(ledger, [ask(8n)])).toMatchObject([{ orderId: 1008n, orderNumber: 1100n }]);
  });

  it('P1 P2: batches of 1000 are dense', async () => {
    const ledger = await newLedger().open();
    for (let batch = 0n; batch < 2n; batch++) {
      const allocations = await commit(
        ledger,
        range(1000).map((i) => ask(BigInt((i % 3) + 1))),
      );
      expect(allocations.map((a) => a.orderId)).toEqual(range(1000).map((i) => batch * 1000n + BigInt(i) + 1n));
    }
    expectDense(await listAll(ledger));
  });

  it('an allocation records its request, and has no style unless its store has one', async () => {
    const ledger = await newLedger().open();
    const request = ask(7n, 3);
    const [allocation] = await commit(ledger, [request]);
    expect(allocation).toEqual({
      ...request,
      orderId: 1n,
      orderNumber: 100n,
      prefix: '',
      suffix: '',
      minDigits: 0,
      createTimeMs: expect.any(Number),
    });
  });
}

function orderInTime(newLedger: NewLedger): void {
  it('P3: inside a batch the pairs rise in the order of the requests', async () => {
    const ledger = await newLedger().open();
    const requests = range(50).map((i) => ask(BigInt((i * 7) % 3) + 1n));
    const allocations = await commit(ledger, requests);
    expect(allocations.map((a) => a.requestId)).toEqual(requests.map((r) => r.requestId));
    expectDense(allocations);
  });

  it('P3: create_time is the time of the commit in whole milliseconds and never falls', async () => {
    const ledger = await newLedger().open();
    const times: number[] = [];
    for (let i = 0; i < 20; i++) times.push(...(await commit(ledger, [ask(7n), ask(8n)])).map((a) => a.createTimeMs));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times.every(Number.isInteger)).toBe(true);
    expect(Math.abs(Date.now() - times[0]!)).toBeLessThan(DAY_MS / 24);
  });

  it('P3: after a clock jumped ahead and back, create_time stands still', async () => {
    const room = newLedger();
    const before = await commit(await room.open(), [ask(7n)]);
    const ahead = Date.now() + DAY_MS;
    const ledger = await room.open({ lastCreateTimeMs: ahead });
    const first = await commit(ledger, [ask(7n), ask(8n)]);
    const second = await commit(ledger, [ask(9n)]);
    // Alone, and of a store that exists: an engine may number it in another way.
    const third = await commit(ledger, [ask(7n)]);
    const later = [...first, ...second, ...third];
    expect(later.map((a) => a.createTimeMs)).toEqual([ahead, ahead, ahead, ahead]);
    expect(await listAll(await room.open())).toEqual([...before, ...later]);
  });
}

function replays(newLedger: NewLedger): void {
  it('P5: the same key in a later batch gets the same pair', async () => {
    const ledger = await newLedger().open();
    const request = ask(7n);
    const [original] = await commit(ledger, [request]);
    await commit(ledger, [ask(7n), ask(8n)]);
    expect(await ledger.commit([request])).toEqual([{ allocation: original, replayed: true }]);
  });

  it('P5: the same key gets the same pair after the ledger was reopened', async () => {
    const room = newLedger();
    const requests = [ask(7n), ask(8n, 4)];
    const originals = await commit(await room.open(), requests);
    const ledger = await room.open();
    expect(await ledger.commit(requests)).toEqual(originals.map((allocation) => ({ allocation, replayed: true })));
    expect(await commit(ledger, [ask(7n)])).toMatchObject([{ orderId: 6n, orderNumber: 101n }]);
  });

  it('P5: a replay with another count returns the whole original run', async () => {
    const ledger = await newLedger().open();
    const request = ask(7n, 5);
    const [original] = await commit(ledger, [request]);
    expect(await ledger.commit([{ ...request, count: 2 }])).toEqual([{ allocation: original, replayed: true }]);
    expect(await commit(ledger, [ask(7n)])).toMatchObject([{ orderId: 6n, orderNumber: 105n }]);
  });

  it('P5: replays among new requests take no number', async () => {
    const ledger = await newLedger().open();
    const known = [ask(7n), ask(8n, 3)];
    const [a, b] = await commit(ledger, known);
    const outcomes = await ledger.commit([ask(7n), known[0]!, ask(8n), known[1]!, ask(7n)]);
    expect(outcomes).toMatchObject([
      { replayed: false, allocation: { orderId: 5n, orderNumber: 101n } },
      { replayed: true, allocation: a },
      { replayed: false, allocation: { orderId: 6n, orderNumber: 103n } },
      { replayed: true, allocation: b },
      { replayed: false, allocation: { orderId: 7n, orderNumber: 102n } },
    ]);
  });

  it('P5: a batch of replays alone moves nothing', async () => {
    const ledger = await newLedger().open();
    const requests = [ask(7n), ask(8n)];
    const originals = await commit(ledger, requests);
    await ledger.commit(requests.toReversed());
    expect(await listAll(ledger)).toEqual(originals);
    expect(await commit(ledger, [ask(7n)])).toMatchObject([{ orderId: 3n, orderNumber: 101n }]);
  });

  it('P5: the same request_id in two stores is two allocations, even in one batch', async () => {
    const ledger = await newLedger().open();
    const requestId = newRequestId();
    const requests = [7n, 8n].map((storeId) => ({ storeId, requestId, count: 1, caller: '' }));
    expect(await commit(ledger, requests)).toMatchObject([
      { orderId: 1n, storeId: 7n },
      { orderId: 2n, storeId: 8n },
    ]);
  });

  it('P5: request_ids are compared exactly', async () => {
    const ledger = await newLedger().open();
    const ids = ['a', 'A', 'a.', '1', '01', '1.0', 'NULL', "'", '"', '\\', '%', '_', '~'.repeat(127), '~'.repeat(128)];
    const requests = ids.map((requestId) => ({ storeId: 7n, requestId, count: 1, caller: '' }));
    const originals = await commit(ledger, requests);
    expect(originals.map((a) => a.requestId)).toEqual(ids);
    expect(await ledger.commit(requests)).toEqual(originals.map((allocation) => ({ allocation, replayed: true })));
  });
}

function int64(newLedger: NewLedger): void {
  const beyondDouble = 2n ** 53n + 1n;

  it('P2: store ids up to 2^63-1 stay distinct and are returned exactly', async () => {
    const room = newLedger();
    const storeIds = [beyondDouble - 1n, beyondDouble, 9007199254740993n + 2n, INT64_MAX - 1n, INT64_MAX];
    const requests = storeIds.map((storeId) => ask(storeId));
    const originals = await commit(await room.open(), requests);
    expect(originals.map((a) => [a.storeId, a.orderNumber])).toEqual(storeIds.map((id) => [id, 100n]));
    const ledger = await room.open();
    expect(await listAll(ledger)).toEqual(originals);
    expect(await ledger.commit(requests)).toEqual(originals.map((allocation) => ({ allocation, replayed: true })));
  });

  it('P1 P2: numbers beyond 2^53 are exact', async () => {
    const room = newLedger();
    const ledger = await room.open({
      lastOrderId: beyondDouble - 1n,
      lastNumber: { storeId: 7n, lastNumber: beyondDouble + 1n },
    });
    const allocations = await commit(ledger, [ask(7n), ask(7n)]);
    expect(allocations).toMatchObject([
      { orderId: beyondDouble, orderNumber: beyondDouble + 2n },
      { orderId: beyondDouble + 1n, orderNumber: beyondDouble + 3n },
    ]);
    expect(await listAfter(ledger, beyondDouble - 1n, 10)).toEqual(allocations);
    expect(await listAfter(ledger, beyondDouble, 10)).toEqual([allocations[1]]);
  });
}

function listing(newLedger: NewLedger): void {
  it('a new ledger has no allocations', async () => {
    const ledger = await newLedger().open();
    expect(await listAfter(ledger, 0n, 10)).toEqual([]);
  });

  it('P4: what a commit returned is listed at once', async () => {
    const ledger = await newLedger().open();
    for (let last = 0n; last < 20n; last++) {
      const allocations = await commit(ledger, [ask(7n)]);
      expect(await listAfter(ledger, last, 10)).toEqual(allocations);
    }
  });

  it('pages follow each other in order_id order, without a gap', async () => {
    const ledger = await newLedger().open();
    const all = await commit(
      ledger,
      range(10).map((i) => ask(BigInt((i % 2) + 1), i + 1)),
    );
    const first = await listAfter(ledger, 0n, 4);
    const second = await listAfter(ledger, endOf(first.at(-1)!), 4);
    const third = await listAfter(ledger, endOf(second.at(-1)!), 4);
    expect([...first, ...second, ...third]).toEqual(all);
    expect([first, second, third].map((page) => page.length)).toEqual([4, 4, 2]);
    expect(await listAfter(ledger, endOf(third.at(-1)!), 4)).toEqual([]);
  });

  it('a page after the middle of a run starts with that whole run; after its end with the next one', async () => {
    const ledger = await newLedger().open();
    const [run, next] = await commit(ledger, [ask(7n, 5), ask(7n)]);
    expect(await listAfter(ledger, 4n, 10)).toEqual([run, next]);
    expect(await listAfter(ledger, 5n, 10)).toEqual([next]);
  });

  it.each([undefined, true])(
    'allocations are listed from any order_id up to another, newest first: %s',
    async (newestFirst) => {
      const ledger = await newLedger().open();
      const all = await commit(
        ledger,
        range(60).map((i) => ask(BigInt((i % 3) + 1), (i % 4) + 1)),
      );
      const last = endOf(all.at(-1)!);
      for (const storeId of [1n, 2n, 3n, 4n, undefined]) {
        const ofStore = all.filter((a) => storeId === undefined || a.storeId === storeId);
        // Stores and counts repeat every 30 order_ids, with which 7 has no divisor in common.
        for (let after = 0n; after <= last; after += 7n) {
          for (const upToOrderId of [last - after / 2n, after + 10n, after, INT64_MAX]) {
            const stretch = {
              afterOrderId: after,
              upToOrderId,
              storeId,
              limit: 5,
              ...(newestFirst && { newestFirst }),
            };
            const expected = ofStore.filter((a) => endOf(a) > after && a.orderId <= upToOrderId);
            expect(await ledger.reads.listAllocations(stretch)).toEqual(
              (newestFirst ? expected.toReversed() : expected).slice(0, 5),
            );
          }
        }
        const beyond = { afterOrderId: INT64_MAX, upToOrderId: INT64_MAX, storeId, limit: 5 };
        expect(await ledger.reads.listAllocations({ ...beyond, ...(newestFirst && { newestFirst }) })).toEqual([]);
      }
    },
  );
}

function randomRuns(newLedger: NewLedger): void {
  const stores = [1n, 2n, 9007199254740993n];

  it.each([1, 2, 3])('P1 P2 P5: random batches with seed %i agree with a model', async (seed) => {
    const upTo = randomIntegers(seed);
    const room = newLedger();
    let ledger = await room.open();
    const model = new LedgerModel();
    for (let i = 0; i < 60; i++) {
      if (upTo(10) === 0) ledger = await room.open();
      const keys = new Map<string, AllocationRequest>();
      for (let size = upTo(20); size >= 0; size--) {
        // Few ids, so that many requests are replays, often with another count.
        const request = {
          storeId: stores[upTo(3)]!,
          requestId: `r${upTo(300)}`,
          count: upTo(5) + 1,
          caller: CALLERS[upTo(3)]!,
        };
        keys.set(`${request.storeId} ${request.requestId}`, request);
      }
      const batch = [...keys.values()];
      const expected = batch.map((request) => model.allocate(request));
      expect(await ledger.commit(batch)).toMatchObject(expected);
    }
    const all = await listAll(ledger);
    expect(all).toMatchObject([...model.allocations.values()]);
    expectDense(all);
  });
}

function endOf({ orderId, count }: Allocation): bigint {
  return orderId + BigInt(count) - 1n;
}

/** Commits requests that are all expected to get new numbers. */
async function commit(ledger: Ledger, batch: readonly AllocationRequest[]): Promise<Allocation[]> {
  const outcomes = await ledger.commit(batch);
  expect(outcomes).toHaveLength(batch.length);
  return outcomes.map(newAllocation);
}

function newAllocation(outcome: Outcome): Allocation {
  if ('refused' in outcome) throw outcome.refused;
  expect(outcome.replayed).toBe(false);
  return outcome.allocation;
}

async function listAll(ledger: Ledger): Promise<Allocation[]> {
  const all: Allocation[] = [];
  for (;;) {
    const newest = all.at(-1);
    const last = newest ? endOf(newest) : 0n;
    const page = await listAfter(ledger, last, 100);
    if (page.length === 0) return all;
    expect(page[0]!.orderId).toBeGreaterThan(last);
    all.push(...page);
  }
}

/** Whether these allocations, from the first of a ledger, leave no hole in any sequence. */
function expectDense(allocations: readonly Allocation[]): void {
  const model = new LedgerModel();
  expect(allocations).toMatchObject(
    allocations.map((allocation) => {
      const { storeId, requestId, count, caller } = allocation;
      const expected = model.allocate({ storeId, requestId, count, caller });
      return 'allocation' in expected ? expected.allocation : expected;
    }),
  );
}
