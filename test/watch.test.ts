import { setImmediate } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import type { Allocation } from '../src/allocation.ts';
import { newRequestId } from '../src/allocation.ts';
import type { LedgerEnd } from '../src/ledger.ts';
import type { WatchStep } from '../src/watch.ts';
import { Watch } from '../src/watch.ts';
import { MemoryLedger } from './support/memory-ledger.ts';

it('what is committed between the last look into history and the first one live is not missed', async () => {
  const { ledger, watch } = room();
  await commit(ledger, 1);
  // Once, the ledger grows right behind the end that history was read to.
  let looks = 0;
  const end = ledger.reads.end.bind(ledger.reads);
  ledger.reads.end = async (): Promise<LedgerEnd> => {
    const seen = await end();
    if (++looks === 2) await commit(ledger, 2);
    return seen;
  };
  const watcher = follow(watch, 0n);
  expect(await watcher.reach(3n)).toEqual([1n, 2n, 3n]);
  expect(looks).toBeGreaterThan(2);
});

it('who takes nothing while much is committed reads it from the ledger, in order and once', async () => {
  const { ledger, watcher } = await followLive();
  // It has caught up, and takes nothing now.
  for (let i = 0; i < 5; i++) await commit(ledger, 500);
  const ids = await watcher.reach(2501n);
  expect(ids).toEqual(Array.from({ length: 2501 }, (_, i) => BigInt(i + 1)));
});

it('what came back after a failed commit is seen, although nobody was told of it', async () => {
  const { ledger, watcher } = await followLive();
  ledger.failNext('persisted after all');
  await expect(commit(ledger, 3)).rejects.toThrow('the disk failed');
  await ledger.ready();
  await commit(ledger, 1);
  expect(await watcher.reach(5n)).toEqual([1n, 2n, 3n, 4n, 5n]);
});

it('one who waits far above the end gets only what comes above its cursor', async () => {
  const { ledger, watch } = room();
  const watcher = follow(watch, 3n);
  await watcher.goLive();
  const above = watcher.reach(5n);
  for (let i = 0; i < 5; i++) await commit(ledger, 1);
  expect(await above).toEqual([4n, 5n]);
});

it('ends with its signal, while it waits and while it reads, and lets its ledger go when nobody watches', async () => {
  const { ledger, watch, stop } = room();
  await commit(ledger, 10);
  const waiting = follow(watch, undefined, stop);
  await waiting.next();
  const ended = waiting.end();
  stop.abort();
  expect(await ended).toBe(true);
  const reading = follow(watch, 0n, stop);
  expect(await reading.end()).toBe(true);
  expect(ledger.listeners).toBe(0);
});

/** A watcher that has caught up, and has taken the first allocation live. */
async function followLive() {
  const { ledger, watch } = room();
  const watcher = follow(watch, undefined);
  await watcher.goLive();
  const live = watcher.next();
  await commit(ledger, 1);
  await live;
  return { ledger, watcher };
}

function room() {
  const ledger = new MemoryLedger();
  const watch = new Watch(ledger);
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  return { ledger, watch, stop };
}

/** Takes steps by hand, so that it is as slow as the test wants. */
function follow(watch: Watch, afterOrderId: bigint | undefined, stop = new AbortController()) {
  onTestFinished(() => stop.abort());
  const steps = watch.watch({ afterOrderId, storeId: undefined, signal: stop.signal });
  const seen: bigint[] = [];
  let pending: Promise<IteratorResult<WatchStep>> | undefined;
  const next = async (): Promise<WatchStep> => {
    const step = await (pending ?? steps.next());
    pending = undefined;
    if (step.done) throw new Error('the watch ended');
    seen.push(...step.value.allocations.map(({ orderId }) => orderId));
    return step.value;
  };
  return {
    next,
    /** Resolves when it has caught up and waits for what is committed next. */
    async goLive(): Promise<void> {
      await next();
      pending = steps.next();
      // Everything on the way there is in memory: it is done when the event loop turns.
      await setImmediate();
    },
    /** The order_ids of everything up to a cursor. */
    async reach(cursor: bigint): Promise<readonly bigint[]> {
      while ((await next()).cursor < cursor);
      return seen;
    },
    /** Whether it ends. */
    async end(): Promise<boolean | undefined> {
      for (;;) {
        const { done } = await steps.next();
        if (done) return true;
      }
    },
  };
}

async function commit(ledger: MemoryLedger, count: number): Promise<readonly Allocation[]> {
  const batch = Array.from({ length: count }, () => ({ storeId: 7n, count: 1, requestId: newRequestId() }));
  const outcomes = await ledger.commit(batch);
  return outcomes.flatMap((outcome) => ('refused' in outcome ? [] : [outcome.allocation]));
}
