import { describe, expect, it, vi } from 'vitest';
import { CallQueue } from '../../../src/core/calls/call-queue.ts';
import { OrderError } from '../../../src/core/errors.ts';

const HERE = { aborted: false };
const LANES = { short: { maxRunning: 2, maxWaiting: 4 }, long: { maxRunning: 1, maxWaiting: 2 } };

describe('lanes', () => {
  it('P10: each run as many calls as they may, and never wait for one another', async () => {
    const { queue, ask } = newQueue();
    const long = [ask('long'), ask('long')];
    const short = [ask('short'), ask('short'), ask('short')];
    expect([...long, ...short].map(({ hasBegun }) => hasBegun())).toEqual([true, false, true, true, false]);
    expect(queue.length).toBe(2);
    short[1]!.finish('b');
    expect(await short[1]!.answer).toBe('b');
    await vi.waitUntil(() => short[2]!.hasBegun());
    long[0]!.fail(new Error('it failed'));
    await expect(long[0]!.answer).rejects.toThrow('it failed');
    await vi.waitUntil(() => long[1]!.hasBegun());
    expect(queue.length).toBe(0);
  });

  it('a call that arrives while the lane is idle begins at once', async () => {
    const { ask } = newQueue();
    for (const name of ['first', 'second']) {
      const call = ask('long');
      expect(call.hasBegun()).toBe(true);
      call.finish(name);
      expect(await call.answer).toBe(name);
      await settled();
    }
  });
});

describe('bounds', () => {
  it('a call beyond those of its lane or of all lanes is refused with QUEUE_FULL', async () => {
    const { queue, ask } = newQueue({ maxWaiting: 5 });
    const long = Array.from({ length: 4 }, () => ask('long'));
    await expect(long[3]!.answer).rejects.toMatchObject({ reason: 'QUEUE_FULL' });
    const short = Array.from({ length: 6 }, () => ask('short'));
    await expect(short[5]!.answer).rejects.toMatchObject({ reason: 'QUEUE_FULL' });
    expect(queue.length).toBe(5);
    short[0]!.finish('');
    await vi.waitUntil(() => queue.length === 4);
    expect(ask('short').hasBegun()).toBe(false);
    expect(queue.length).toBe(5);
  });

  it('P6: a caller with fewer waiting calls displaces the newest of the one with most, until they have as many', async () => {
    const { queue, ask } = newQueue();
    for (const name of ['a', 'a']) ask('short', HERE, name);
    const flood = Array.from({ length: 4 }, () => ask('short', HERE, 'a'));
    const others = [ask('short', HERE, 'b'), ask('short', HERE, 'b')];
    await expect(flood[3]!.answer).rejects.toMatchObject({ reason: 'QUEUE_FULL' });
    await expect(flood[2]!.answer).rejects.toMatchObject({ reason: 'QUEUE_FULL' });
    for (const name of ['a', 'b']) {
      await expect(ask('short', HERE, name).answer).rejects.toMatchObject({ reason: 'QUEUE_FULL' });
    }
    expect([...flood, ...others].map(({ hasBegun }) => hasBegun())).toEqual(Array.from({ length: 6 }, () => false));
    expect(queue.length).toBe(4);
  });

  it('a caller whose calls of one lane fill all of them is displaced by one of another lane', async () => {
    const { ask } = newQueue({ maxWaiting: 3 });
    const flood = Array.from({ length: 5 }, () => ask('short', HERE, 'a'));
    ask('long', HERE, 'b');
    const other = ask('long', HERE, 'b');
    await expect(flood[4]!.answer).rejects.toMatchObject({ reason: 'QUEUE_FULL' });
    expect(other.hasBegun()).toBe(false);
  });

  it('P6: a full lane makes room in itself only, however many calls a caller has in another one', async () => {
    const { ask } = newQueue();
    const flood = Array.from({ length: 6 }, () => ask('short', HERE, 'flood'));
    for (const name of ['a', 'a', 'b']) ask('long', HERE, name);
    const newcomer = ask('long', HERE, 'c');
    const refused: string[] = [];
    for (const { answer } of flood) answer.catch(() => refused.push('flood'));
    newcomer.answer.catch(() => refused.push('newcomer'));
    await settled();
    expect(refused).toEqual(['newcomer']);
  });

  it('P6: abandoned calls make room for others and never begin', async () => {
    const { queue, ask } = newQueue();
    ask('long');
    const gone = { aborted: false };
    const waiting = [ask('long', gone), ask('long', gone)];
    gone.aborted = true;
    const next = ask('long');
    for (const { answer } of waiting) await expect(answer).rejects.toMatchObject({ reason: 'CANCELLED' });
    expect(queue.length).toBe(1);
    expect([...waiting, next].map(({ hasBegun }) => hasBegun())).toEqual([false, false, false]);
  });
});

describe('abandoned calls', () => {
  it('P6: are skipped when it is their turn', async () => {
    const { ask } = newQueue();
    const gone = { aborted: false };
    const [first, second, third] = [ask('long'), ask('long', gone), ask('long')];
    gone.aborted = true;
    first.finish('');
    await expect(second.answer).rejects.toMatchObject({ reason: 'CANCELLED' });
    await vi.waitUntil(() => third.hasBegun());
    expect(second.hasBegun()).toBe(false);
  });

  it('are not counted in the length while the queue is stalled', async () => {
    const { queue, ask } = newQueue();
    ask('long');
    const gone = { aborted: false };
    const { answer } = ask('long', gone);
    gone.aborted = true;
    await expect(answer).rejects.toMatchObject({ reason: 'CANCELLED' });
    expect(queue.length).toBe(0);
  });
});

describe('until it is ready', () => {
  it('P6: calls wait, and those abandoned by then never begin', async () => {
    const ready = Promise.withResolvers<void>();
    const { ask } = newQueue({ ready: () => ready.promise });
    const gone = { aborted: false };
    const [first, second] = [ask('long', gone), ask('long')];
    expect(first.hasBegun()).toBe(false);
    gone.aborted = true;
    ready.resolve();
    await vi.waitUntil(() => second.hasBegun());
    expect(first.hasBegun()).toBe(false);
    await expect(first.answer).rejects.toMatchObject({ reason: 'CANCELLED' });
  });

  it('all that wait are refused if it never will be, and later ones may begin', async () => {
    let ready: Promise<void> = Promise.reject(new OrderError('LEDGER_DAMAGED', 'it is damaged'));
    ready.catch(() => {});
    const { ask } = newQueue({ ready: () => ready });
    for (const { answer } of [ask('long'), ask('long')]) {
      await expect(answer).rejects.toMatchObject({ reason: 'LEDGER_DAMAGED' });
    }
    await settled();
    ready = Promise.resolve();
    const later = ask('long');
    await vi.waitUntil(() => later.hasBegun());
  });
});

function newQueue({ maxWaiting = 100, ready }: { maxWaiting?: number; ready?: () => Promise<void> } = {}) {
  const queue = new CallQueue({ maxWaiting, lanes: LANES, ...(ready && { ready }) });
  return {
    queue,
    ask(lane: keyof typeof LANES, signal = HERE, origin = 'a') {
      const work = Promise.withResolvers<string>();
      let begun = false;
      const answer = queue.run(lane, { signal, origin }, () => {
        begun = true;
        return work.promise;
      });
      answer.catch(() => {});
      return { answer, hasBegun: () => begun, finish: work.resolve, fail: work.reject };
    },
  };
}

/** Lets the handlers of all resolved promises run. */
function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
