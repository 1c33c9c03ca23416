import { setImmediate as turnOfTheEventLoop } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { BatchQueue } from '../../src/core/batch-queue.ts';
import { FairQueue } from '../../src/core/fair-queue.ts';
import { randomIntegers } from '../support/engines/ledger-model.ts';

/** So many items of a key are asked whether they may be displaced by one newcomer. */
const MAX_ASKED = 100;
/** A full queue searches all its items for unwanted ones now and then: this many are asked per newcomer. */
const ASKED_PER_NEWCOMER = 10;
/** Items of one key in a batch while it is not alone. */
const MAX_ROUNDS = 100;
/** The key of the items that only keep a queue busy. */
const BUSY = Symbol('busy');

interface Limits {
  readonly maxQueue: number;
  readonly maxQueueShare: number;
  readonly maxBatch: number;
}

interface Item {
  readonly key: unknown;
  /** Unlike that of any other item. */
  readonly name: string;
  wanted: boolean;
  /** Whether another caller waits for it, too. */
  shared: boolean;
}

/** A batch queue that always has a flush in flight, until the test ends it: what is offered has to wait. */
class Fixture {
  /** Those that had to wait. */
  readonly batches: Item[][] = [];
  readonly displaced: Item[] = [];
  readonly dropped: Item[] = [];
  readonly refused: Item[] = [];
  readonly queue: BatchQueue<Item>;
  #flush = Promise.withResolvers<void>();
  #isBusy = false;
  #offered = 0;

  private constructor(limits: Limits) {
    this.queue = new BatchQueue({
      ...limits,
      ready: () => Promise.resolve(),
      isWanted: ({ wanted }) => wanted,
      mayDisplace: ({ shared }) => !shared,
      onRemoved: (item, error) => void (error === undefined ? this.dropped : this.refused).push(item),
      onDisplaced: (item) => void this.displaced.push(item),
      flush: (batch) => {
        this.#isBusy = true;
        if (batch[0]!.key !== BUSY) this.batches.push(batch);
        return this.#flush.promise;
      },
    });
  }

  static async open(limits: Partial<Limits> = {}): Promise<Fixture> {
    const fixture = new Fixture({ maxQueue: 10, maxQueueShare: 0.5, maxBatch: 1000, ...limits });
    await fixture.#keepBusy();
    return fixture;
  }

  /** Offers an item and returns it, or undefined if the queue is full. */
  offer(key: unknown, { wanted = true, shared = false } = {}): Item | undefined {
    const item = { key, name: `${++this.#offered}`, wanted, shared };
    return this.queue.offer(item, key) ? item : undefined;
  }

  /** Offers this many items and returns those that may wait. */
  fill(key: unknown, count: number, state: { readonly shared?: boolean } = {}): Item[] {
    return Array.from({ length: count }, () => this.offer(key, state)).filter((item) => item !== undefined);
  }

  /** Ends the flush in flight, and resolves when the next one has begun. */
  async endFlush(): Promise<void> {
    const ended = this.#flush;
    this.#flush = Promise.withResolvers();
    this.#isBusy = false;
    ended.resolve();
    await turnOfTheEventLoop();
    if (!this.#isBusy) await this.#keepBusy();
  }

  async #keepBusy(): Promise<void> {
    this.offer(BUSY);
    await turnOfTheEventLoop();
  }

  /** The keys of the next batches, until nothing waits. */
  async keysOfAll(): Promise<unknown[][]> {
    while (this.queue.length > 0) await this.endFlush();
    return this.batches.map((batch) => batch.map(({ key }) => key));
  }
}

describe('turns', () => {
  it('a batch takes one item of each key in turn, and those of a key in order of arrival', async () => {
    const fixture = await Fixture.open();
    const a = fixture.fill('a', 3);
    const b = fixture.fill('b', 1);
    const c = fixture.fill('c', 2);
    await fixture.endFlush();
    expect(fixture.batches).toEqual([[a[0], b[0], c[0], a[1], c[1], a[2]]]);
  });

  it('the round goes on in the next batch where it stopped', async () => {
    const fixture = await Fixture.open({ maxBatch: 2 });
    for (const key of ['a', 'b', 'c']) fixture.fill(key, 3);
    expect(await fixture.keysOfAll()).toEqual([['a', 'b'], ['c', 'a'], ['b', 'c'], ['a', 'b'], ['c']]);
  });

  it('one item beside 10,000 of another key is in the very next batch, which is small', async () => {
    const fixture = await Fixture.open({ maxQueue: 10_001 });
    fixture.fill('flood', 10_000);
    const one = fixture.offer('one');
    await fixture.endFlush();
    expect(fixture.batches[0]).toHaveLength(MAX_ROUNDS + 1);
    expect(fixture.batches[0]).toContain(one);
  });

  it('batches stay small until a key was alone for 100 of them', async () => {
    const fixture = await Fixture.open({ maxQueue: 20_000 });
    fixture.fill('flood', 15_000);
    await fixture.endFlush();
    expect(fixture.batches.pop()).toHaveLength(1000);
    fixture.offer('one');
    for (let batch = 0; batch <= 100; batch++) await fixture.endFlush();
    const lengths = fixture.batches.map(({ length }) => length);
    expect(lengths).toEqual([MAX_ROUNDS + 1, ...Array.from({ length: 99 }, () => MAX_ROUNDS), 1000]);
  });

  it('many keys fill a batch', async () => {
    const fixture = await Fixture.open({ maxQueue: 2000 });
    for (let key = 0; key < 20; key++) fixture.fill(key, 100);
    await fixture.endFlush();
    expect(fixture.batches[0]).toHaveLength(1000);
  });

  it('a key that comes back has its turn after those that wait already', async () => {
    const fixture = await Fixture.open({ maxBatch: 1 });
    fixture.offer('a');
    fixture.fill('b', 2);
    await fixture.endFlush();
    fixture.fill('a', 1);
    expect(await fixture.keysOfAll()).toEqual([['a'], ['b'], ['a'], ['b']]);
  });

  it('an object can be a key', async () => {
    const fixture = await Fixture.open();
    const [a, b] = [{}, {}];
    for (const key of [a, a, b]) fixture.offer(key);
    const [batch] = await fixture.keysOfAll();
    expect([batch![0] === a, batch![1] === b, batch![2] === a]).toEqual([true, true, true]);
  });
});

describe('a full queue', () => {
  it('may be filled by one key, whose next item is refused', async () => {
    const fixture = await Fixture.open();
    expect(fixture.fill('a', 12)).toHaveLength(10);
    expect(fixture.displaced).toEqual([]);
  });

  it('P6: displaces the newest item of the key with the most, which is in no batch', async () => {
    const fixture = await Fixture.open();
    const a = fixture.fill('a', 6);
    const b = fixture.fill('b', 4);
    const c = fixture.offer('c');
    expect(fixture.displaced).toEqual([a[5]]);
    expect(fixture.queue.length).toBe(10);
    await fixture.endFlush();
    expect(fixture.batches).toEqual([[a[0], b[0], c, a[1], b[1], a[2], b[2], a[3], b[3], a[4]]]);
    expect([...fixture.dropped, ...fixture.refused]).toEqual([]);
  });

  it('makes room for a newcomer until its key has its share, and refuses it then', async () => {
    const fixture = await Fixture.open({ maxQueueShare: 0.3 });
    const a = fixture.fill('a', 10);
    expect(fixture.fill('b', 5)).toHaveLength(3);
    expect(fixture.displaced).toEqual([a[9], a[8], a[7]]);
    expect(fixture.fill('c', 5)).toHaveLength(3);
    expect(fixture.displaced).toEqual([a[9], a[8], a[7], a[6], a[5], a[4]]);
    expect(fixture.fill('a', 5)).toEqual([]);
  });

  it('by default two keys end up with half of it each', async () => {
    const fixture = await Fixture.open();
    fixture.fill('a', 10);
    expect(fixture.fill('b', 20)).toHaveLength(5);
    expect(fixture.fill('a', 20)).toEqual([]);
    expect(fixture.displaced).toHaveLength(5);
  });

  it('does not let a newcomer take what makes its key the one with the most', async () => {
    const fixture = await Fixture.open({ maxQueue: 3 });
    fixture.fill('a', 3);
    expect(fixture.fill('b', 3)).toHaveLength(1);
    for (const key of ['a', 'b', 'a', 'b']) expect(fixture.offer(key)).toBeUndefined();
    expect(fixture.displaced).toHaveLength(1);
  });

  it('does not displace the only item of a key, however many new keys come', async () => {
    const fixture = await Fixture.open();
    for (let i = 0; i < 20; i++) fixture.offer(`key ${i}`);
    expect(fixture.displaced).toEqual([]);
    expect(new Set((await fixture.keysOfAll()).flat()).size).toBe(10);
  });

  it('does not displace what another caller waits for, too, but the next newest', async () => {
    const fixture = await Fixture.open();
    const a = fixture.fill('a', 10);
    a[9]!.shared = true;
    a[7]!.shared = true;
    expect(fixture.fill('b', 2)).toHaveLength(2);
    expect(fixture.displaced).toEqual([a[8], a[6]]);
    await fixture.endFlush();
    expect(fixture.batches[0]).toEqual(expect.arrayContaining([a[9], a[7]]));
  });

  it('refuses a newcomer if all that it looks at has to stay, and the next one looks further', async () => {
    const fixture = await Fixture.open({ maxQueue: MAX_ASKED + 2 });
    const [oldest, next] = fixture.fill('a', 2);
    fixture.fill('a', MAX_ASKED, { shared: true });
    expect(fixture.offer('b')).toBeUndefined();
    expect(fixture.displaced).toEqual([]);
    expect([fixture.offer('b'), fixture.offer('b')]).not.toContain(undefined);
    expect(fixture.displaced).toEqual([next, oldest]);
    expect(fixture.offer('b')).toBeUndefined();
  });

  it('does not look at the same ones again, so the next newcomer reaches as many others', async () => {
    const fixture = await Fixture.open({ maxQueue: 2 * MAX_ASKED });
    const oldest = fixture.offer('a');
    fixture.fill('a', 2 * MAX_ASKED - 1, { shared: true });
    expect(fixture.offer('b')).toBeUndefined();
    expect(fixture.offer('b')).toBeDefined();
    expect(fixture.displaced).toEqual([oldest]);
  });

  it('P6: drops unwanted items before it displaces a wanted one', async () => {
    const fixture = await Fixture.open();
    fixture.fill('a', 8);
    const b = fixture.fill('b', 2);
    b[0]!.wanted = false;
    const c = fixture.offer('c');
    expect([fixture.dropped, fixture.displaced]).toEqual([[b[0]], []]);
    await fixture.endFlush();
    expect(fixture.batches[0]!.slice(1, 3)).toEqual([b[1], c]);
  });
});

describe('memory', () => {
  it('keeps no key that has nothing waiting, however it left', async () => {
    const fixture = await Fixture.open({ maxBatch: 2 });
    const keys = await useObjectsAsKeys(fixture);
    await fixture.keysOfAll();
    for (const items of [fixture.batches, fixture.displaced, fixture.dropped, fixture.refused]) items.length = 0;
    await fixture.endFlush();
    const collectGarbage = exposeGarbageCollector();
    await vi.waitUntil(() => {
      collectGarbage();
      return keys.every((key) => key.deref() === undefined);
    });
    expect(fixture.queue.length).toBe(0);
  });

  it('keeps no place for what has passed through it', () => {
    const collectGarbage = exposeGarbageCollector();
    const queue = new FairQueue<string>({
      maxQueue: 2,
      maxQueueShare: 0.5,
      isWanted: () => true,
      mayDisplace: () => true,
      onRemoved: () => expect.fail('removed'),
      onDisplaced: () => expect.fail('displaced'),
    });
    queue.offer('item', 'key');
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 200_000; i++) {
      queue.offer('item', 'key');
      queue.take(1);
    }
    collectGarbage();
    const kept = process.memoryUsage().heapUsed - before;
    // The queue must not be garbage itself before that.
    expect(queue.length).toBe(1);
    expect(kept).toBeLessThan(1e6);
  });
});

/** Keys whose items were taken, displaced, dropped and refused; one more key waits in the midst of its round. */
async function useObjectsAsKeys(fixture: Fixture): Promise<WeakRef<object>[]> {
  const keys = Array.from({ length: 20 }, () => ({}));
  fixture.fill(keys[0], 10);
  for (const key of keys) fixture.offer(key);
  await fixture.endFlush();
  for (const key of keys) fixture.offer(key, { wanted: false });
  await fixture.endFlush();
  for (const key of keys) fixture.offer(key);
  fixture.queue.refuseWaiting(new Error('draining'));
  for (const key of keys.slice(0, 3)) fixture.offer(key);
  await fixture.endFlush();
  expect([fixture.displaced, fixture.dropped, fixture.refused].map((items) => items.length > 0)).toEqual(
    Array.from({ length: 3 }, () => true),
  );
  fixture.offer('last');
  return keys.map((key) => new WeakRef(key));
}

function exposeGarbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

describe('random runs', () => {
  it.each(Array.from({ length: 15 }, (_, i) => i + 1))('agree with a naive model: seed %i', async (seed) => {
    // Unwanted items are dropped when the model knows it, and not by the timer of a stalled queue.
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const upTo = randomIntegers(seed);
    const limits = { maxQueue: 1 + upTo(20), maxBatch: 1 + upTo(4), maxQueueShare: [0.2, 0.5, 1][upTo(3)]! };
    const keys = 1 + upTo(8);
    const fixture = await Fixture.open(limits);
    const model = new Model(limits);
    for (let step = 0; step < 1000; step++) {
      const event = upTo(20);
      const waiting = model.waiting[upTo(model.waiting.length || 1)];
      if (event < 15) {
        // Lower keys come more often.
        const key = upTo(1 + upTo(keys));
        model.offered(key, fixture.offer(key), fixture.displaced.splice(0));
      } else if (event === 15 && waiting) waiting.wanted = false;
      else if (event === 16 && waiting) waiting.shared = true;
      else if (event > 16) {
        await fixture.endFlush();
        model.formBatch();
      }
      const { batches, dropped, queue } = fixture;
      expect([batches.splice(0), new Set(dropped.splice(0)), queue.length]).toEqual(model.state());
    }
  });
});

/** What a queue should do, with every question answered by looking at everything. */
class Model {
  /** In order of arrival. */
  waiting: Item[] = [];
  readonly #limits: Limits;
  readonly #batches: Item[][] = [];
  readonly #dropped: Item[] = [];
  #turns: unknown[] = [];
  #newcomers = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** What was done since this was last asked, and how many wait. */
  state(): [batches: Item[][], dropped: Set<Item>, waiting: number] {
    return [this.#batches.splice(0), new Set(this.#dropped.splice(0)), this.waiting.length];
  }

  /** Throws unless this is what had to become of an offer: `item` is undefined if it was refused. */
  offered(key: unknown, item: Item | undefined, displaced: readonly Item[]): void {
    const { maxQueue } = this.#limits;
    if (this.waiting.length < maxQueue) this.#newcomers = 0;
    else if (this.#newcomers++ % Math.ceil(maxQueue / ASKED_PER_NEWCOMER) === 0)
      this.#drop(this.waiting.filter(({ wanted }) => !wanted));
    const hasRoom = this.waiting.length < maxQueue;
    const candidates = hasRoom ? [] : this.#displaceable(key);
    const isRight = item
      ? displaced.length === (hasRoom ? 0 : 1) && displaced.every((one) => candidates.includes(one))
      : displaced.length === 0 && !hasRoom && (candidates.length === 0 || candidates.includes(undefined));
    if (!isRight) throw new Error(`${item ? 'taken' : 'refused'}, displaced ${displaced.length}: wrong`);
    this.#remove(displaced);
    if (!item) return;
    this.waiting.push(item);
    if (!this.#turns.includes(key)) this.#turns.push(key);
  }

  formBatch(): void {
    const batch: Item[] = [];
    while (batch.length < this.#limits.maxBatch && this.waiting.length > 0) {
      const key = this.#turns.shift();
      const item = this.#of(key)[0]!;
      this.#turns.push(key);
      (item.wanted ? batch : this.#dropped).push(item);
      this.#remove([item]);
    }
    if (batch.length > 0) this.#batches.push(batch);
  }

  /** For each key that has the most, its newest item that may be displaced; none if the newcomer has to be refused. */
  #displaceable(key: unknown): (Item | undefined)[] {
    const { maxQueue, maxQueueShare } = this.#limits;
    const most = Math.max(...this.#turns.map((other) => this.#of(other).length));
    const own = this.#of(key).length;
    if (own >= maxQueueShare * maxQueue || own + 1 >= most) return [];
    const greediest = this.#turns.filter((other) => this.#of(other).length === most);
    return greediest.map((other) => this.#of(other).findLast(({ shared }) => !shared));
  }

  #of(key: unknown): Item[] {
    return this.waiting.filter((item) => item.key === key);
  }

  #drop(items: readonly Item[]): void {
    this.#dropped.push(...items);
    this.#remove(items);
  }

  #remove(items: readonly Item[]): void {
    this.waiting = this.waiting.filter((item) => !items.includes(item));
    this.#turns = this.#turns.filter((key) => this.#of(key).length > 0);
  }
}
