import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { Allocation } from '../../../src/core/allocation.ts';
import { newRequestId } from '../../../src/core/allocation.ts';
import type { LedgerEnd } from '../../../src/core/ledger.ts';
import type { WatchStep } from '../../../src/core/reading/watch.ts';
import { Watch } from '../../../src/core/reading/watch.ts';
import { MemoryDisk, MemoryLedger } from '../../support/engines/memory-ledger.ts';
import { until } from '../../support/until.ts';

it('a commit between the last page of history and the first live one is not missed', async () => {
  const { ledger, watch } = newWatch();
  await commit(ledger, 1);
  // The ledger grows once, right after the end that history was read to.
  let looks = 0;
  const end = ledger.reads.end.bind(ledger.reads);
  ledger.reads.end = async (): Promise<LedgerEnd> => {
    const seen = await end();
    if (++looks === 2) await commit(ledger, ...ones(2));
    return seen;
  };
  const watcher = follow(watch, 0n);
  expect(await watcher.reach(3n)).toEqual([1n, 2n, 3n]);
  expect(looks).toBeGreaterThan(2);
});

it('a watcher that falls behind reads the backlog from the ledger, in order and once', async () => {
  const { ledger, watcher } = await followLive();
  // It has caught up, and consumes nothing now.
  for (let i = 0; i < 5; i++) await commit(ledger, ...ones(500));
  const ids = await watcher.reach(2501n);
  expect(ids).toEqual(Array.from({ length: 2501 }, (_, i) => BigInt(i + 1)));
});

it('a watcher that falls behind reads again at once, and not when its next cursor is due', async () => {
  const { ledger, watcher } = await followLive();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  // The last batch is more than is kept: nothing is left for it in memory.
  for (let i = 0; i < 3; i++) await commit(ledger, ...ones(500));
  void watcher.reach(1501n);
  // Longer than the pause between two live messages, and shorter than the time until a cursor is due.
  await vi.advanceTimersByTimeAsync(1000);
  await until('it has read the backlog', () => watcher.seen.length >= 1501);
  expect(watcher.seen).toEqual(Array.from({ length: 1501 }, (_, i) => BigInt(i + 1)));
});

it('an allocation recovered after a failed commit is seen although it was never announced', async () => {
  const { ledger, watcher } = await followLive();
  ledger.failNext('persisted after all');
  await expect(commit(ledger, ...ones(3))).rejects.toThrow('the disk failed');
  await ledger.ready();
  await commit(ledger, 1);
  expect(await watcher.reach(5n)).toEqual([1n, 2n, 3n, 4n, 5n]);
});

it('a watcher far above the end gets only what comes above its cursor', async () => {
  const { ledger, watch } = newWatch();
  const watcher = follow(watch, 3n);
  await watcher.goLive();
  const above = watcher.reach(5n);
  for (let i = 0; i < 5; i++) await commit(ledger, 1);
  expect(await above).toEqual([4n, 5n]);
});

it('a watcher far above the end reads nothing meanwhile, whatever is committed', async () => {
  const disk = new MemoryDisk();
  const { ledger, watch } = newWatch(disk);
  const watcher = follow(watch, 100n);
  await watcher.goLive();
  const reads = vi.spyOn(ledger.reads, 'end');
  const others = new MemoryLedger(disk);
  for (let i = 0; i < 3; i++) {
    await commit(others, 1);
    await commit(ledger, 1);
    await setImmediate();
  }
  expect(reads).not.toHaveBeenCalled();
});

it('a batch that begins below the cursor is delivered from there on, with runs whole', async () => {
  const { ledger, watch } = newWatch();
  const watcher = follow(watch, 5n);
  await watcher.goLive();
  const above = watcher.reach(8n);
  await commit(ledger, 1, 1, 1, 1, 3, 1);
  expect(await above).toEqual([5n, 8n]);
});

it('a page of history that ends with a run continues after the whole run', async () => {
  const { ledger, watch } = newWatch();
  await commit(ledger, ...Array.from({ length: 300 }, () => 2));
  const watcher = follow(watch, 0n);
  await watcher.next();
  const page = await watcher.next();
  const last = page.allocations.at(-1)!;
  expect(page.allocations.length).toBeLessThan(300);
  expect(page.cursor).toBe(last.orderId + 1n);
  expect(await watcher.reach(600n)).toEqual(Array.from({ length: 300 }, (_, i) => BigInt(2 * i + 1)));
});

it('commits of other servers are read from the ledger, once and in order', async () => {
  const disk = new MemoryDisk();
  const { ledger, watcher } = await followLive(disk);
  const others = new MemoryLedger(disk);
  for (let i = 0; i < 3; i++) {
    await commit(others, 1);
    const told = watcher.reach(BigInt(2 * i + 3));
    await commit(ledger, 1);
    await told;
  }
  expect(watcher.seen).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n]);
});

it('falling behind and catching up repeatedly leaves no listener on its signal', async () => {
  const disk = new MemoryDisk();
  const { ledger, watcher, stop } = await followLive(disk);
  const others = new MemoryLedger(disk);
  const before = getEventListeners(stop.signal, 'abort').length;
  for (let i = 0; i < 5; i++) {
    await watcher.wait();
    await commit(others, 1);
    await commit(ledger, 1);
    await watcher.reach(BigInt(2 * i + 3));
  }
  expect(getEventListeners(stop.signal, 'abort').length).toBeLessThanOrEqual(before);
});

it('ends with its signal, while it waits or reads, and unsubscribes from its ledger after the last watcher', async () => {
  const { ledger, watch, stop } = newWatch();
  await commit(ledger, ...ones(10));
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
async function followLive(disk?: MemoryDisk) {
  const { ledger, watch, stop } = newWatch(disk);
  const watcher = follow(watch, undefined, stop);
  await watcher.goLive();
  const live = watcher.next();
  await commit(ledger, 1);
  await live;
  return { ledger, watcher, stop };
}

function newWatch(disk?: MemoryDisk) {
  const ledger = new MemoryLedger(disk);
  const watch = new Watch(ledger);
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  return { ledger, watch, stop };
}

/** Consumes step by step, as slowly as the test wants. */
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
  const wait = async (): Promise<void> => {
    pending = steps.next();
    // Everything up to the live phase is in memory, so it is done after one turn of the event loop.
    await setImmediate();
  };
  return {
    seen,
    next,
    /** Resolves when it has caught up and waits for what is committed next. */
    async goLive(): Promise<void> {
      await next();
      await wait();
    },
    wait,
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

/** One batch of runs of these lengths. */
async function commit(ledger: MemoryLedger, ...counts: number[]): Promise<readonly Allocation[]> {
  const batch = counts.map((count) => ({ storeId: 7n, count, requestId: newRequestId(), caller: '' }));
  const outcomes = await ledger.commit(batch);
  return outcomes.flatMap((outcome) => ('refused' in outcome ? [] : [outcome.allocation]));
}

function ones(length: number): number[] {
  return Array.from({ length }, () => 1);
}
