import { queryObjects } from 'node:v8';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Allocation } from '../../../src/core/allocation.ts';
import { lastOrderIdOf } from '../../../src/core/allocation.ts';
import type { AllocationRange, CommitListener } from '../../../src/core/ledger.ts';
import { Watch } from '../../../src/core/reading/watch.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'], now: 0 });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** A ledger that tells its commits when the test wants, and counts its reads. */
class ToldLedger {
  readonly rows: Allocation[] = [];
  readonly ranges: AllocationRange[] = [];
  readonly listeners = new Set<CommitListener>();
  readonly reads = {
    end: async () => ({ ledgerId: 'a', lastOrderId: this.end, lastStoreId: 9n }),
    listAllocations: async (range: AllocationRange) => {
      this.ranges.push(range);
      const { afterOrderId, upToOrderId, storeId, limit } = range;
      return this.rows
        .filter((row) => lastOrderIdOf(row) > afterOrderId && row.orderId <= upToOrderId)
        .filter((row) => storeId === undefined || row.storeId === storeId)
        .slice(0, limit);
    },
  };

  get end(): bigint {
    const last = this.rows.at(-1);
    return last ? lastOrderIdOf(last) : 0n;
  }

  onCommitted(listener: CommitListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Rows of these stores, which nobody is told of. */
  add(...storeIds: bigint[]): Allocation[] {
    const added = storeIds.map(
      (storeId, i) => ({ orderId: this.end + BigInt(i) + 1n, storeId, count: 1 }) as Allocation,
    );
    this.rows.push(...added);
    return added;
  }

  commit(...storeIds: bigint[]): void {
    this.tell(this.add(...storeIds));
  }

  tell(allocations: readonly Allocation[], lastOrderId = this.end): void {
    for (const listener of this.listeners) listener(lastOrderId, allocations);
  }
}

/** Each step as "cursor: order_ids", at the time it came; a slow watcher takes one when it is told to. */
function follow(watch: Watch, { after = 0n, storeId = undefined as bigint | undefined, isSlow = false } = {}) {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const steps: string[] = [];
  const watcher = { steps, stop, hasEnded: false, goOn: () => {} };
  const run = async () => {
    for await (const { allocations, cursor } of watch.watch({ afterOrderId: after, storeId, signal: stop.signal })) {
      steps.push(`${cursor}:${allocations.map(({ orderId }) => ` ${orderId}`).join('')}`);
      if (isSlow) await new Promise<void>((resolve) => (watcher.goOn = resolve));
    }
    watcher.hasEnded = true;
  };
  void run();
  return watcher;
}

async function caughtUp(options?: Parameters<typeof follow>[1], rows = 0) {
  const ledger = new ToldLedger();
  ledger.add(...ones(rows));
  const watch = new Watch(ledger);
  const watcher = follow(watch, options);
  await pass(10_000);
  watcher.steps.length = 0;
  ledger.ranges.length = 0;
  return { ledger, watch, watcher };
}

function pass(ms: number): Promise<unknown> {
  return vi.advanceTimersByTimeAsync(ms);
}

function livePromises(): number {
  return queryObjects(Promise, { format: 'count' });
}

function ones(length: number): bigint[] {
  return Array.from({ length }, () => 7n);
}

describe('history', () => {
  it('is read up to its end, in pages, and no further', async () => {
    const ledger = new ToldLedger();
    ledger.add(...ones(600));
    const watcher = follow(new Watch(ledger));
    await pass(0);
    expect(watcher.steps.map((step) => step.replace(/:.*/, ''))).toEqual(['0', '250', '500', '600']);
    expect(ledger.ranges.map(({ afterOrderId, upToOrderId, limit }) => [afterOrderId, upToOrderId, limit])).toEqual([
      [0n, 600n, 250],
      [250n, 600n, 250],
      [500n, 600n, 250],
    ]);
  });

  it('of one store is looked through to its end, even if nothing is found', async () => {
    const ledger = new ToldLedger();
    ledger.add(7n, 8n, 8n);
    const watch = new Watch(ledger);
    const [seven, nine] = [follow(watch, { storeId: 7n }), follow(watch, { storeId: 9n })];
    await pass(0);
    expect(seven.steps).toEqual(['0:', '3: 1']);
    expect(nine.steps).toEqual(['0:', '3:']);
  });

  it('is not read for a watcher that has ended', async () => {
    const ledger = new ToldLedger();
    ledger.add(7n);
    const stop = new AbortController();
    stop.abort();
    const steps = new Watch(ledger).watch({ afterOrderId: 0n, storeId: undefined, signal: stop.signal });
    expect(await steps.next()).toEqual({ done: true, value: undefined });
    expect([ledger.ranges, ledger.listeners.size]).toEqual([[], 0]);
  });
});

describe('live', () => {
  it('what is committed comes at once, then every 50 ms together, and nothing is read', async () => {
    const { ledger, watcher } = await caughtUp();
    ledger.commit(7n);
    await pass(0);
    expect(watcher.steps).toEqual(['1: 1']);
    ledger.commit(8n);
    await pass(10);
    ledger.commit(7n, 7n);
    await pass(39);
    expect(watcher.steps).toEqual(['1: 1']);
    await pass(1);
    expect(watcher.steps).toEqual(['1: 1', '4: 2 3 4']);
    await pass(500);
    ledger.commit(7n);
    await pass(0);
    expect(watcher.steps.slice(2)).toEqual(['5: 5']);
    expect(ledger.ranges).toEqual([]);
  });

  it('a watcher of one store gets only that, and every 2 seconds how far it is', async () => {
    const { ledger, watcher } = await caughtUp({ storeId: 7n });
    await pass(10_000);
    expect(watcher.steps).toEqual([]);
    ledger.commit(8n);
    await pass(50);
    expect(watcher.steps).toEqual([]);
    await pass(1950);
    expect(watcher.steps).toEqual(['1:']);
    ledger.commit(8n, 7n, 8n);
    await pass(50);
    expect(watcher.steps.slice(1)).toEqual(['4: 3']);
    await pass(10_000);
    expect(watcher.steps).toHaveLength(2);
    expect(ledger.ranges).toEqual([]);
  });

  it.each<[string, (ledger: ToldLedger) => void]>([
    ['before what it is told', (ledger) => ledger.tell(ledger.add(7n, 7n).slice(1))],
    ['behind what it is told', (ledger) => ledger.tell(ledger.add(7n, 7n).slice(0, 1))],
    ['and it is told nothing but the end', (ledger) => ledger.tell(ledger.add(7n, 7n).slice(2))],
  ])('a commit that is missing %s is read', async (_, commit) => {
    const { ledger, watcher } = await caughtUp({}, 2);
    // From here on the watch knows where the ledger ends.
    ledger.commit(7n);
    await pass(1000);
    expect(watcher.steps.splice(0)).toEqual(['3: 3']);
    ledger.ranges.length = 0;
    commit(ledger);
    await pass(0);
    expect(watcher.steps).toEqual(['5: 4 5']);
    expect(ledger.ranges).toHaveLength(1);
  });

  it('an end that is told again moves nothing', async () => {
    const { ledger, watcher } = await caughtUp();
    ledger.commit(7n, 7n);
    await pass(1000);
    watcher.steps.length = 0;
    const looks = vi.spyOn(ledger.reads, 'end');
    ledger.tell(ledger.rows.slice(1));
    ledger.tell(ledger.rows.slice(0, 1), 1n);
    await pass(10_000);
    expect(looks).not.toHaveBeenCalled();
    ledger.commit(7n);
    await pass(0);
    expect(watcher.steps).toEqual(['3: 3']);
    expect(ledger.ranges).toEqual([]);
  });

  it('a watcher above the end gets what begins behind its cursor, and reads nothing', async () => {
    const { ledger, watcher } = await caughtUp({ after: 5n });
    const looks = vi.spyOn(ledger.reads, 'end');
    ledger.commit(7n, 7n);
    ledger.add(7n);
    // Up to its cursor, and not whole.
    ledger.tell([], 5n);
    ledger.add(7n, 7n);
    await pass(10_000);
    expect(watcher.steps).toEqual([]);
    ledger.commit(7n, 7n);
    await pass(0);
    expect([watcher.steps, ledger.ranges]).toEqual([['7: 6 7'], []]);
    expect(looks).not.toHaveBeenCalled();
  });

  it('a batch that begins below a cursor comes without what lies below it', async () => {
    const { ledger, watcher } = await caughtUp({ after: 2n });
    ledger.commit(7n, 7n, 7n);
    await pass(0);
    expect(watcher.steps).toEqual(['3: 3']);
  });
});

async function slow() {
  const all = await caughtUp({ isSlow: true });
  all.watcher.goOn();
  await pass(0);
  all.ledger.commit(7n);
  await pass(0);
  expect(all.watcher.steps).toEqual(['1: 1']);
  await pass(1000);
  all.watcher.steps.length = 0;
  return all;
}

function idsOf(steps: readonly string[]): number[] {
  return steps.flatMap((step) => step.split(' ').slice(1).map(Number));
}

describe('a slow watcher', () => {
  it('gets what it missed from memory, up to 1,000 allocations, as soon as it takes the next', async () => {
    const { ledger, watcher } = await slow();
    ledger.commit(...ones(600));
    ledger.commit(...ones(400));
    watcher.goOn();
    await pass(0);
    expect(idsOf(watcher.steps)).toEqual(Array.from({ length: 1000 }, (_, i) => i + 2));
    expect(ledger.ranges).toEqual([]);
  });

  it('reads what it missed if that is more, as soon as it takes the next', async () => {
    const { ledger, watcher } = await slow();
    ledger.commit(...ones(600));
    ledger.commit(...ones(401));
    for (let i = 0; i < 6; i++) {
      watcher.goOn();
      await pass(0);
    }
    expect(idsOf(watcher.steps)).toEqual(Array.from({ length: 1001 }, (_, i) => i + 2));
    expect(ledger.ranges).toHaveLength(5);
  });

  it('that falls behind while it waits for its next step reads at once', async () => {
    const { ledger, watcher } = await caughtUp();
    ledger.commit(...ones(1001));
    await pass(0);
    expect(idsOf(watcher.steps)).toEqual(Array.from({ length: 1001 }, (_, i) => i + 1));
  });
});

describe('the end of a watch', () => {
  it('comes with its signal: while it waits for commits, and for its next step', async () => {
    const { ledger, watch, watcher } = await caughtUp();
    const waiting = follow(watch);
    await pass(1000);
    waiting.stop.abort();
    await pass(0);
    expect(waiting.hasEnded).toBe(true);
    ledger.commit(7n);
    await pass(0);
    ledger.commit(7n);
    await pass(0);
    expect(watcher.steps).toEqual(['1: 1']);
    watcher.stop.abort();
    await pass(0);
    expect([watcher.hasEnded, watcher.steps.length]).toEqual([true, 1]);
  });

  it('of one is not the end of another, and that of the last costs the ledger nothing more', async () => {
    const { ledger, watch, watcher } = await caughtUp();
    const other = follow(watch);
    await pass(1000);
    other.stop.abort();
    await pass(0);
    ledger.commit(7n);
    await pass(0);
    expect(watcher.steps).toEqual(['1: 1']);
    const [listener] = ledger.listeners;
    watcher.stop.abort();
    await pass(1000);
    expect(ledger.listeners.size).toBe(0);
    const groups = vi.spyOn(Map, 'groupBy');
    listener!(2n, ledger.add(7n));
    expect(groups).not.toHaveBeenCalled();
  });
});

it('a watch of a busy ledger keeps nothing of the messages that it has sent', async () => {
  const { ledger, watcher } = await caughtUp();
  const before = livePromises();
  for (let i = 0; i < 5000; i++) {
    ledger.commit(7n);
    await pass(10);
  }
  expect(watcher.steps.length).toBeGreaterThan(900);
  expect(livePromises() - before).toBeLessThan(100);
});
