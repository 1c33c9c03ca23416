import { setImmediate as turnOfTheEventLoop } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { BatchQueueOptions } from '../../src/core/batch-queue.ts';
import { BatchQueue } from '../../src/core/batch-queue.ts';

/** A queue of numbers whose flushes end when the test says so. */
class Room {
  readonly batches: number[][] = [];
  readonly removed: { item: number; error?: unknown }[] = [];
  readonly unwanted = new Set<number>();
  readonly queue: BatchQueue<number>;
  #flush = Promise.withResolvers<void>();

  constructor(options: Partial<BatchQueueOptions<number>> = {}) {
    this.queue = new BatchQueue({
      maxQueue: 10,
      maxBatch: 3,
      ready: () => Promise.resolve(),
      isWanted: (item) => !this.unwanted.has(item),
      onRemoved: (item, error) => this.removed.push({ item, ...(error !== undefined && { error }) }),
      flush: (batch) => {
        this.batches.push(batch);
        return this.#flush.promise;
      },
      ...options,
    });
  }

  offer(...items: number[]): boolean[] {
    return items.map((item) => this.queue.offer(item));
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
async function flushesBegun({ batches }: Room, flushes: number): Promise<void> {
  await vi.waitFor(() => expect(batches).toHaveLength(flushes));
}

describe('batches', () => {
  it('a lone item is flushed at once', async () => {
    const room = new Room();
    room.offer(1);
    await flushesBegun(room, 1);
    expect(room.batches).toEqual([[1]]);
  });

  it('what comes while a flush is in flight becomes the next batch, first in first out', async () => {
    const room = new Room();
    room.offer(1);
    await flushesBegun(room, 1);
    room.offer(2, 3);
    room.offer(4);
    room.endFlush();
    await flushesBegun(room, 2);
    expect(room.batches).toEqual([[1], [2, 3, 4]]);
  });

  it('a batch is never larger than maxBatch', async () => {
    const room = new Room({ maxBatch: 4 });
    room.offer(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    await room.endAll();
    expect(room.batches).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
      [9, 10],
    ]);
  });

  it('there is never more than one flush in flight', async () => {
    let inFlight = 0;
    let most = 0;
    const room = new Room({
      async flush(batch) {
        most = Math.max(most, ++inFlight);
        if (batch.includes(1)) room.offer(4, 5, 6, 7);
        await turnOfTheEventLoop();
        inFlight--;
      },
    });
    room.offer(1, 2, 3);
    await room.queue.idle();
    expect(most).toBe(1);
  });
});

describe('a full queue', () => {
  it('P6: takes no more, and takes again when a batch has left', async () => {
    const room = new Room({ maxQueue: 2, maxBatch: 2 });
    room.offer(1);
    await flushesBegun(room, 1);
    expect(room.offer(2, 3, 4)).toEqual([true, true, false]);
    expect(room.queue.length).toBe(2);
    room.endFlush();
    await flushesBegun(room, 2);
    expect(room.offer(5)).toEqual([true]);
    await room.endAll();
    expect(room.batches).toEqual([[1], [2, 3], [5]]);
    expect(room.removed).toEqual([]);
  });

  it('P6: makes room by dropping what nobody wants', async () => {
    const room = new Room({ maxQueue: 3 });
    room.offer(1);
    await flushesBegun(room, 1);
    room.offer(2, 3, 4);
    room.unwanted.add(2).add(4);
    expect(room.offer(5)).toEqual([true]);
    expect(room.removed).toEqual([{ item: 2 }, { item: 4 }]);
    await room.endAll();
    expect(room.batches).toEqual([[1], [3, 5]]);
  });
});

describe('unwanted items', () => {
  it('P6: are dropped when the batch is formed, and wanted ones take their place in it', async () => {
    const room = new Room({ maxBatch: 2 });
    room.offer(1);
    await flushesBegun(room, 1);
    room.offer(2, 3, 4, 5);
    room.unwanted.add(2).add(3);
    room.endFlush();
    await flushesBegun(room, 2);
    expect(room.batches).toEqual([[1], [4, 5]]);
    expect(room.removed).toEqual([{ item: 2 }, { item: 3 }]);
  });

  it('P6: alone make no batch', async () => {
    const room = new Room();
    room.unwanted.add(1).add(2);
    room.offer(1, 2);
    await room.queue.idle();
    expect(room.batches).toEqual([]);
    expect(room.removed).toEqual([{ item: 1 }, { item: 2 }]);
  });

  it('P7: are carried through when they became so after their batch was formed', async () => {
    const asked: number[] = [];
    const room = new Room({
      isWanted(item) {
        asked.push(item);
        return asked.filter((before) => before === item).length === 1;
      },
    });
    room.offer(1, 2);
    await room.endAll();
    expect(room.batches).toEqual([[1, 2]]);
    expect(room.removed).toEqual([]);
    expect(asked).toEqual([1, 2]);
  });
});

describe('readiness', () => {
  it('P7: no batch is formed before it is ready, and until then items can still be dropped', async () => {
    const opening = Promise.withResolvers<void>();
    const ready = vi.fn<() => Promise<void>>(() => opening.promise);
    const room = new Room({ ready });
    room.offer(1, 2, 3);
    await vi.waitFor(() => expect(ready).toHaveBeenCalled());
    room.unwanted.add(2);
    expect(room.queue.length).toBe(3);
    expect(room.batches).toEqual([]);
    opening.resolve();
    await room.endAll();
    expect(room.batches).toEqual([[1, 3]]);
  });

  it('P6: when it cannot get ready, everything that waits is refused with the reason', async () => {
    const reason = new Error('damaged');
    const room = new Room({ ready: () => Promise.reject(reason) });
    room.offer(1, 2);
    await room.queue.idle();
    expect(room.removed).toEqual([
      { item: 1, error: reason },
      { item: 2, error: reason },
    ]);
    room.offer(3);
    await room.queue.idle();
    expect(room.removed.at(-1)).toEqual({ item: 3, error: reason });
    expect(room.batches).toEqual([]);
  });

  it('is asked for again before each batch', async () => {
    const ready = vi.fn<() => Promise<void>>(() => Promise.resolve());
    const room = new Room({ ready, maxBatch: 1 });
    room.offer(1, 2, 3);
    await room.endAll();
    expect(ready).toHaveBeenCalledTimes(3);
  });
});

describe('a queue that does not move', () => {
  it('P6: drops what becomes unwanted within a moment, and counts it no longer', async () => {
    const ready = Promise.withResolvers<void>();
    const room = new Room({ ready: () => ready.promise });
    room.offer(1, 2, 3);
    room.unwanted.add(2);
    await vi.waitFor(() => expect(room.removed).toEqual([{ item: 2 }]));
    expect(room.queue.length).toBe(2);
    room.unwanted.add(1);
    await vi.waitFor(() => expect(room.queue.length).toBe(1));
    ready.resolve();
    await room.endAll();
    expect(room.batches).toEqual([[3]]);
  });

  it('does so behind a flush that hangs, too, and leaves that alone', async () => {
    const room = new Room();
    room.offer(1);
    await flushesBegun(room, 1);
    room.offer(2, 3);
    room.unwanted.add(1).add(3);
    await vi.waitFor(() => expect(room.removed).toEqual([{ item: 3 }]));
    await room.endAll();
    expect(room.batches).toEqual([[1], [2]]);
  });

  it('does not ask one that moves: a busy queue pays nothing for it', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const isWanted = vi.fn<() => boolean>(() => true);
    const room = new Room({ isWanted, maxBatch: 1 });
    room.offer(1, 2, 3, 4, 5, 6, 7, 8, 9);
    for (let batch = 1; batch <= 8; batch++) {
      await vi.advanceTimersByTimeAsync(90);
      room.endFlush();
    }
    await vi.advanceTimersByTimeAsync(0);
    expect(isWanted).toHaveBeenCalledTimes(9);
  });
});

describe('the end', () => {
  it('idle() resolves when nothing waits and no flush is in flight, not before', async () => {
    const room = new Room();
    await room.queue.idle();
    room.offer(1);
    let isIdle = false;
    const idle = room.queue.idle().then(() => (isIdle = true));
    await flushesBegun(room, 1);
    room.offer(2);
    room.endFlush();
    await flushesBegun(room, 2);
    expect(isIdle).toBe(false);
    room.endFlush();
    await idle;
    expect(room.batches).toEqual([[1], [2]]);
  });

  it('refuseWaiting() refuses what waits and leaves the flush in flight alone', async () => {
    const room = new Room();
    room.offer(1);
    await flushesBegun(room, 1);
    room.offer(2, 3);
    const reason = new Error('draining');
    room.queue.refuseWaiting(reason);
    expect(room.removed).toEqual([
      { item: 2, error: reason },
      { item: 3, error: reason },
    ]);
    expect(room.queue.length).toBe(0);
    await room.endAll();
    expect(room.batches).toEqual([[1]]);
  });
});
