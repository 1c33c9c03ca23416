import { expect, it } from 'vitest';
import { INT64_MAX } from '../../../src/core/allocation.ts';
import type { Outcome } from '../../../src/core/ledger.ts';
import type { NewLedger } from './engine-suite.ts';
import type { Counters } from './ledger-model.ts';
import { ask, LedgerModel, randomIntegers, range } from './ledger-model.ts';
import { listAfter } from './memory-reads.ts';

/** Requests in the largest batch that a server makes by default. */
const BATCH = 1000;
const REPLAYS = 50;

/** What every engine promises at the end of a sequence. */
export function exhaustedSuite(newLedger: NewLedger): void {
  it("P6: a store's exhausted sequence refuses that request alone and burns nothing", async () => {
    const room = newLedger();
    const ledger = await room.open({ lastNumber: { storeId: 7n, lastNumber: INT64_MAX - 3n } });
    const outcomes = await ledger.commit([ask(7n, 2), ask(8n), ask(7n, 2), ask(8n), ask(7n)]);
    expect(outcomes).toMatchObject([
      { allocation: { orderId: 1n, orderNumber: INT64_MAX - 2n } },
      { allocation: { orderId: 3n, orderNumber: 100n } },
      { refused: { name: 'OrderError', reason: 'SEQUENCE_EXHAUSTED' } },
      { allocation: { orderId: 4n, orderNumber: 101n } },
      { allocation: { orderId: 5n, orderNumber: INT64_MAX } },
    ]);
    expect(await ledger.commit([ask(7n)])).toMatchObject([{ refused: { reason: 'SEQUENCE_EXHAUSTED' } }]);
    expect(await ledger.commit([ask(8n)])).toMatchObject([{ allocation: { orderId: 6n, orderNumber: 102n } }]);
  });

  it('P6: the exhausted sequence over all stores refuses what does not fit and burns nothing', async () => {
    const room = newLedger();
    const ledger = await room.open({ lastOrderId: INT64_MAX - 2n });
    const last = ask(7n);
    expect(await ledger.commit([ask(8n, 3), last, ask(7n, 2), ask(8n)])).toMatchObject([
      { refused: { reason: 'SEQUENCE_EXHAUSTED' } },
      { allocation: { orderId: INT64_MAX - 1n, orderNumber: 100n } },
      { refused: { reason: 'SEQUENCE_EXHAUSTED' } },
      { allocation: { orderId: INT64_MAX, orderNumber: 100n } },
    ]);
    expect(await ledger.commit([ask(9n), last])).toMatchObject([
      { refused: { reason: 'SEQUENCE_EXHAUSTED' } },
      { replayed: true, allocation: { orderId: INT64_MAX - 1n } },
    ]);
    expect(await listAfter(ledger, 0n, 10)).toHaveLength(2);
  });

  it('P5: a refused request leaves no trace: its key is still free', async () => {
    const room = newLedger();
    const refused = ask(7n, 2);
    const ledger = await room.open({ lastNumber: { storeId: 7n, lastNumber: INT64_MAX - 1n } });
    expect(await ledger.commit([refused])).toMatchObject([{ refused: { reason: 'SEQUENCE_EXHAUSTED' } }]);
    expect(await ledger.commit([{ ...refused, count: 1 }])).toMatchObject([
      { replayed: false, allocation: { orderId: 1n, orderNumber: INT64_MAX } },
    ]);
  });

  it.each([
    ['a store', { lastNumber: { storeId: 7n, lastNumber: INT64_MAX - 2000n } }],
    ['all stores', { lastOrderId: INT64_MAX - 4000n }],
  ] satisfies [string, Counters][])(
    'P1 P2 P5 P6: a full batch near the end of the sequence of %s agrees with a model',
    async (_, counters: Counters) => {
      const upTo = randomIntegers(4);
      const ledger = await newLedger().open(counters);
      const model = new LedgerModel(counters);
      const replays = range(REPLAYS).map(() => ask(upTo(2) === 0 ? 7n : 8n, upTo(20) + 1));
      expect(await ledger.commit(replays)).toMatchObject(replays.map((request) => model.allocate(request)));

      // More than half are for the store, of which a tenth asks for so much that smaller ones fit when it does not.
      const batch = range(BATCH).map(() =>
        ask([7n, 7n, 8n, 9n][upTo(4)]!, upTo(10) === 0 ? upTo(1000) + 1 : upTo(9) + 1),
      );
      // Even if nothing new fits any more: a replay needs no space in the sequence, whatever its count.
      for (const [i, request] of replays.entries())
        batch[(i * BATCH) / REPLAYS] = { ...request, count: upTo(1000) + 1 };
      const outcomes = await ledger.commit(batch);
      expect(outcomes).toMatchObject(batch.map((request) => model.allocate(request)));
      expect(outcomes.filter((outcome) => 'replayed' in outcome && outcome.replayed)).toHaveLength(REPLAYS);
      expect(outcomes.filter(isRefused).length).toBeGreaterThan(BATCH / 20);
      const fitting = outcomes.findLastIndex((outcome, i) => batch[i]!.storeId === 7n && isNew(outcome));
      expect(outcomes.slice(0, fitting).filter(isRefused).length).toBeGreaterThan(5);

      // The same again: refused requests left no trace.
      expect(await ledger.commit(batch)).toMatchObject(batch.map((request) => model.allocate(request)));
      expect(await listAfter(ledger, counters.lastOrderId ?? 0n, 2 * BATCH)).toMatchObject([
        ...model.allocations.values(),
      ]);
    },
  );
}

function isNew(outcome: Outcome): boolean {
  return 'replayed' in outcome && !outcome.replayed;
}

function isRefused(outcome: Outcome): boolean {
  return 'refused' in outcome;
}
