import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import * as fc from 'fast-check';
import { BatchQueue } from '../../../src/core/batch-queue.ts';
import { FairQueue } from '../../../src/core/fair-queue.ts';

const MAX_QUEUE = 6;

interface Item {
  readonly key: string;
  readonly number: number;
  isWanted: boolean;
  readonly mayGo: boolean;
  left: 'taken' | 'removed' | 'displaced' | undefined;
}

type Step =
  | { readonly do: 'offer'; readonly key: string; readonly mayGo: boolean }
  | { readonly do: 'take'; readonly most: number }
  | { readonly do: 'unwant'; readonly number: number }
  | { readonly do: 'drop' | 'refuse all' };

export const QUEUE_STEPS = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('offer' as const),
        key: fc.constantFrom('a', 'b', 'c'),
        mayGo: fc.boolean(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('take' as const), most: fc.integer({ min: 1, max: 8 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('unwant' as const), number: fc.nat(40) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('drop' as const, 'refuse all' as const) }) },
  ),
  { maxLength: 60, size: 'max' },
);

/** A FairQueue beside a plain list of what waits in it. */
export class CheckedQueue {
  readonly items: Item[] = [];
  waiting: Item[] = [];
  readonly #queue = new FairQueue<Item>({
    maxQueue: MAX_QUEUE,
    maxQueueShare: 0.5,
    isWanted: ({ isWanted }) => isWanted,
    mayDisplace: ({ mayGo }) => mayGo,
    onRemoved: (item) => this.#leaves(item, 'removed'),
    onDisplaced: (item) => this.#leaves(item, 'displaced'),
  });

  step(step: Step): void {
    if (step.do === 'offer') this.#offer(step.key, step.mayGo);
    else if (step.do === 'take') this.#take(step.most);
    else if (step.do === 'unwant') this.#unwant(step.number);
    else if (step.do === 'drop') this.#queue.dropUnwanted();
    else this.#queue.refuseAll(new Error('refused'));
    if (step.do === 'drop') assert.ok(this.waiting.every(({ isWanted }) => isWanted));
    if (step.do === 'refuse all') assert.equal(this.waiting.length, 0);
    assert.equal(this.#queue.length, this.waiting.length);
    assert.ok(this.waiting.length <= MAX_QUEUE);
  }

  #offer(key: string, mayGo: boolean): void {
    const item: Item = { key, number: this.items.length, isWanted: true, mayGo, left: undefined };
    const before = this.waiting;
    const lengthOf = (of: string) => before.filter((each) => each.key === of).length;
    this.items.push(item);
    const isTaken = this.#queue.offer(item, key);
    if (!isTaken) assert.equal(before.length, MAX_QUEUE);
    if (before.length < MAX_QUEUE) assert.equal(isTaken, true);
    for (const { key: of } of before.filter(({ left }) => left === 'displaced')) {
      assert.ok(lengthOf(key) + 1 < lengthOf(of));
      assert.equal(
        ['a', 'b', 'c'].every((other) => lengthOf(other) <= lengthOf(of)),
        true,
      );
    }
    if (isTaken) this.waiting = [...this.waiting, item];
  }

  /** The keys take turns, and within a key the oldest comes first. */
  #take(most: number): void {
    const before = this.waiting;
    const taken = this.#queue.take(most);
    for (const item of taken) this.#leaves(item, 'taken');
    assert.ok(taken.length <= most);
    assert.equal(
      taken.every(({ isWanted }) => isWanted),
      true,
    );
    // An unwanted item takes the turn of its key, too.
    const turnsOf = (key: string) => before.filter((item) => item.key === key && item.left !== undefined).length;
    const mostTurns = Math.max(...['a', 'b', 'c'].map(turnsOf));
    for (const key of ['a', 'b', 'c']) {
      const of = before.filter((item) => item.key === key);
      const wanted = of.filter(({ isWanted }) => isWanted);
      const mine = taken.filter((item) => item.key === key);
      assert.deepEqual(mine, wanted.slice(0, mine.length));
      if (of.length > turnsOf(key)) assert.ok(mostTurns <= turnsOf(key) + 1);
    }
  }

  #unwant(number: number): void {
    const item = this.items[number % Math.max(1, this.items.length)];
    if (item) item.isWanted = false;
  }

  #leaves(item: Item, how: Item['left']): void {
    assert.equal(item.left, undefined);
    item.left = how;
    this.waiting = this.waiting.filter((each) => each !== item);
  }
}

/** Takes a batch queue through these steps; each item has to end once. */
export async function batchQueue(steps: readonly string[]): Promise<void> {
  const ends = new Map<number, string>();
  const end = (item: number, how: string) => {
    assert.equal(ends.get(item), undefined);
    ends.set(item, how);
  };
  let inFlight = 0;
  let isReady = true;
  let items = 0;
  const queue = new BatchQueue<number>({
    maxBatch: 3,
    maxQueue: MAX_QUEUE,
    maxQueueShare: 1,
    ready: async () => {
      if (!isReady) throw new Error('not ready');
    },
    isWanted: () => true,
    mayDisplace: () => false,
    onRemoved: (item) => end(item, 'refused'),
    onDisplaced: (item) => end(item, 'displaced'),
    async flush(batch) {
      assert.equal(inFlight++, 0);
      assert.ok(batch.length <= 3);
      await turn();
      for (const item of batch) end(item, 'flushed');
      inFlight--;
    },
  });
  for (const step of steps) {
    if (step === 'turn') await turn();
    else if (step === 'refuse') queue.refuseWaiting(new Error('refused'));
    else if (step === 'not ready') isReady = !isReady;
    else if (!queue.offer(items++, 'a')) end(items - 1, 'no room');
    assert.ok(queue.length <= MAX_QUEUE);
  }
  await queue.idle();
  assert.equal(queue.length, 0);
  assert.equal(ends.size, items);
}
