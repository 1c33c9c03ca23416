import { setImmediate as turnOfTheEventLoop } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { BatchQueueOptions } from '../../src/core/batch-queue.ts';
import { BatchQueue } from '../../src/core/batch-queue.ts';

/** A queue of numbers whose flushes end on demand. */
class Fixture {
  readonly batches: number[][] = [];
  readonly removed: { item: number; error?: unknown }[] = [];
  readonly unwanted = new Set<number>();
  readonly queue: BatchQueue<number>;
  #flush = Promise.withResolvers<void>();

  constructor(options: Partial<BatchQueueOptions<number>> = {}) {
    this.queue = new BatchQueue({
      maxQueue: 10,
      maxQueueShare: 0.5,
      maxBatch: 3,
      ready: () => Promise.resolve(),
      isWanted: (item) => !this.unwanted.has(item),
      mayDisplace: () => true,
      onDisplaced: (item) => expect.fail(`${item} was displaced`),
      onRemoved: (item, error) => this.removed.push({ item, ...(error !== undefined && { error }) }),
      flush: (batch) => {
        this.batches.push(batch);
        return this.#flush.promise;
      },
      ...options,
    });
  }

  offer(...items: number[]): boolean[] {
    return items.map((item) => this.queue.offer(item, 'key'));
  }

  endFlush(): void {
    const ended = this.#flush;
    this.#flush = Promise.withResolvers();
    ended.resolve();
  }

  /** Ends every flush as it begins, until nothing waits. */
  async endAll(): Promise<void> {
    this.#flush.resolve();
    await this.queue.idle();
  }
}

/** Resolves when this many flushes have begun. */
async function flushesBegun({ batches }: Fixture, flushes: number): Promise<void> {
  await vi.waitFor(() => expect(batches).toHaveLength(flushes));
}

describe('batches', () => {
  it('a lone item is flushed at once', async () => {
    const fixture = new Fixture();
    fixture.offer(1);
    await flushesBegun(fixture, 1);
    expect(fixture.batches).toEqual([[1]]);
  });

  it('items offered while a flush is in flight become the next batch, first in, first out', async () => {
    const fixture = new Fixture();
    fixture.offer(1);
    await flushesBegun(fixture, 1);
    fixture.offer(2, 3);
    fixture.offer(4);
    fixture.endFlush();
    await flushesBegun(fixture, 2);
    expect(fixture.batches).toEqual([[1], [2, 3, 4]]);
  });

  it('a batch is never larger than maxBatch', async () => {
    const fixture = new Fixture({ maxBatch: 4 });
    fixture.offer(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    await fixture.endAll();
    expect(fixture.batches).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
      [9, 10],
    ]);
  });

  it('there is never more than one flush in flight', async () => {
    let inFlight = 0;
    let most = 0;
    const fixture = new Fixture({
      async flush(batch) {
        most = Math.max(most, ++inFlight);
        if (batch.includes(1)) fixture.offer(4, 5, 6, 7);
        await turnOfTheEventLoop();
        inFlight--;
      },
    });
    fixture.offer(1, 2, 3);
    await fixture.queue.idle();
    expect(most).toBe(1);
  });
});

describe('a full queue', () => {
  it('P6: refuses items, and accepts them again when a batch has left', async () => {
    const fixture = new Fixture({ maxQueue: 2, maxBatch: 2 });
    fixture.offer(1);
    await flushesBegun(fixture, 1);
    expect(fixture.offer(2, 3, 4)).toEqual([true, true, false]);
    expect(fixture.queue.length).toBe(2);
    fixture.endFlush();
    await flushesBegun(fixture, 2);
    expect(fixture.offer(5)).toEqual([true]);
    await fixture.endAll();
    expect(fixture.batches).toEqual([[1], [2, 3], [5]]);
    expect(fixture.removed).toEqual([]);
  });

  it('P6: makes room by dropping unwanted items', async () => {
    const fixture = new Fixture({ maxQueue: 3 });
    fixture.offer(1);
    await flushesBegun(fixture, 1);
    fixture.offer(2, 3, 4);
    fixture.unwanted.add(2).add(4);
    expect(fixture.offer(5)).toEqual([true]);
    expect(fixture.removed).toEqual([{ item: 2 }, { item: 4 }]);
    await fixture.endAll();
    expect(fixture.batches).toEqual([[1], [3, 5]]);
  });
});

describe('unwanted items', () => {
  it('P6: are dropped when the batch is formed, and wanted ones take their place', async () => {
    const fixture = new Fixture({ maxBatch: 2 });
    fixture.offer(1);
    await flushesBegun(fixture, 1);
    fixture.offer(2, 3, 4, 5);
    fixture.unwanted.add(2).add(3);
    fixture.endFlush();
    await flushesBegun(fixture, 2);
    expect(fixture.batches).toEqual([[1], [4, 5]]);
    expect(fixture.removed).toEqual([{ item: 2 }, { item: 3 }]);
  });

  it('P6: alone form no batch', async () => {
    const fixture = new Fixture();
    fixture.unwanted.add(1).add(2);
    fixture.offer(1, 2);
    await fixture.queue.idle();
    expect(fixture.batches).toEqual([]);
    expect(fixture.removed).toEqual([{ item: 1 }, { item: 2 }]);
  });

  it('P7: are still processed if they became unwanted after their batch was formed', async () => {
    const asked: number[] = [];
    const fixture = new Fixture({
      isWanted(item) {
        asked.push(item);
        return asked.filter((before) => before === item).length === 1;
      },
    });
    fixture.offer(1, 2);
    await fixture.endAll();
    expect(fixture.batches).toEqual([[1, 2]]);
    expect(fixture.removed).toEqual([]);
    expect(asked).toEqual([1, 2]);
  });
});

describe('readiness', () => {
  it('P7: is waited for before a batch is formed, and until then items can still be dropped', async () => {
    const opening = Promise.withResolvers<void>();
    const ready = vi.fn<() => Promise<void>>(() => opening.promise);
    const fixture = new Fixture({ ready });
    fixture.offer(1, 2, 3);
    await vi.waitFor(() => expect(ready).toHaveBeenCalled());
    fixture.unwanted.add(2);
    expect(fixture.queue.length).toBe(3);
    expect(fixture.batches).toEqual([]);
    opening.resolve();
    await fixture.endAll();
    expect(fixture.batches).toEqual([[1, 3]]);
  });

  it('P6: that fails refuses everything that waits, with the reason', async () => {
    const reason = new Error('damaged');
    const fixture = new Fixture({ ready: () => Promise.reject(reason) });
    fixture.offer(1, 2);
    await fixture.queue.idle();
    expect(fixture.removed).toEqual([
      { item: 1, error: reason },
      { item: 2, error: reason },
    ]);
    fixture.offer(3);
    await fixture.queue.idle();
    expect(fixture.removed.at(-1)).toEqual({ item: 3, error: reason });
    expect(fixture.batches).toEqual([]);
  });

  it('is checked again before each batch', async () => {
    const ready = vi.fn<() => Promise<void>>(() => Promise.resolve());
    const fixture = new Fixture({ ready, maxBatch: 1 });
    fixture.offer(1, 2, 3);
    await fixture.endAll();
    expect(ready).toHaveBeenCalledTimes(3);
  });
});

describe('a stalled queue', () => {
  it('P6: soon drops items that become unwanted, and no longer counts them', async () => {
    const ready = Promise.withResolvers<void>();
    const fixture = new Fixture({ ready: () => ready.promise });
    fixture.offer(1, 2, 3);
    fixture.unwanted.add(2);
    await vi.waitFor(() => expect(fixture.removed).toEqual([{ item: 2 }]));
    expect(fixture.queue.length).toBe(2);
    fixture.unwanted.add(1);
    await vi.waitFor(() => expect(fixture.queue.length).toBe(1));
    ready.resolve();
    await fixture.endAll();
    expect(fixture.batches).toEqual([[3]]);
  });

  it('does so behind a hanging flush, too, and does not touch that', async () => {
    const fixture = new Fixture();
    fixture.offer(1);
    await flushesBegun(fixture, 1);
    fixture.offer(2, 3);
    fixture.unwanted.add(1).add(3);
    await vi.waitFor(() => expect(fixture.removed).toEqual([{ item: 3 }]));
    await fixture.endAll();
    expect(fixture.batches).toEqual([[1], [2]]);
  });

  it('has one timer for all its items, and none while it is empty', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const fixture = new Fixture();
    fixture.offer(1, 2, 3);
    expect(vi.getTimerCount()).toBe(1);
    await fixture.endAll();
    // At once, and not in another turn of the event loop: a queue of another test may set a timer there.
    vi.advanceTimersByTime(100);
    expect(vi.getTimerCount()).toBe(0);
    fixture.offer(4);
    expect(vi.getTimerCount()).toBe(1);
  });

  it('is the only one that is swept: a busy queue pays nothing for it', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const isWanted = vi.fn<() => boolean>(() => true);
    const fixture = new Fixture({ isWanted, maxBatch: 1 });
    fixture.offer(1, 2, 3, 4, 5, 6, 7, 8, 9);
    for (let batch = 1; batch <= 8; batch++) {
      await vi.advanceTimersByTimeAsync(90);
      fixture.endFlush();
    }
    await vi.advanceTimersByTimeAsync(0);
    expect(isWanted).toHaveBeenCalledTimes(9);
  });
});

describe('the end', () => {
  it('idle() resolves only when nothing waits and no flush is in flight', async () => {
    const fixture = new Fixture();
    await fixture.queue.idle();
    fixture.offer(1);
    let isIdle = false;
    const idle = fixture.queue.idle().then(() => (isIdle = true));
    await flushesBegun(fixture, 1);
    fixture.offer(2);
    fixture.endFlush();
    await flushesBegun(fixture, 2);
    expect(isIdle).toBe(false);
    fixture.endFlush();
    await idle;
    expect(fixture.batches).toEqual([[1], [2]]);
  });

  it('idle() resolves at once after the last flush, and after a refusal while the queue is not ready', async () => {
    // Time stands still: a sweep for unwanted items would tell it, too.
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const told: string[] = [];
    const [flushed, closed] = [new Fixture(), new Fixture({ ready: () => new Promise(() => {}) })];
    flushed.offer(1);
    closed.offer(1);
    void flushed.queue.idle().then(() => told.push('flushed'));
    void closed.queue.idle().then(() => told.push('closed'));
    await turnOfTheEventLoop();
    expect(told).toEqual([]);
    flushed.endFlush();
    await turnOfTheEventLoop();
    expect(told).toEqual(['flushed']);
    closed.queue.refuseWaiting(new Error('draining'));
    await turnOfTheEventLoop();
    expect(told).toEqual(['flushed', 'closed']);
  });

  it('refuseWaiting() refuses what waits and leaves the flush in flight alone', async () => {
    const fixture = new Fixture();
    fixture.offer(1);
    await flushesBegun(fixture, 1);
    fixture.offer(2, 3);
    const reason = new Error('draining');
    fixture.queue.refuseWaiting(reason);
    expect(fixture.removed).toEqual([
      { item: 2, error: reason },
      { item: 3, error: reason },
    ]);
    expect(fixture.queue.length).toBe(0);
    await fixture.endAll();
    expect(fixture.batches).toEqual([[1]]);
  });
});
