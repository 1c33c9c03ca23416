import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CallQueueOptions } from '../../../src/core/calls/call-queue.ts';
import { CallQueue } from '../../../src/core/calls/call-queue.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'], now: 10_000 });
});

afterEach(() => {
  vi.useRealTimers();
});

const LANES = { short: { maxRunning: 1, maxWaiting: 4 }, long: { maxRunning: 1, maxWaiting: 2 } };

/** Calls by name: whether each runs, waits, or how it was refused. */
function open(options: Partial<CallQueueOptions<'short' | 'long'>> = {}) {
  const queue = new CallQueue({ maxWaiting: 100, lanes: LANES, ...options });
  const state: Record<string, string> = {};
  const ask = (name: string, { lane = 'short' as 'short' | 'long', origin = 'a' } = {}) => {
    const signal = { aborted: false };
    const work = Promise.withResolvers<void>();
    state[name] = 'waits';
    const begin = () => {
      state[name] = 'runs';
      return work.promise;
    };
    queue.run(lane, { signal, origin }, begin).then(
      () => (state[name] = 'done'),
      (error: { reason?: string }) => (state[name] = error.reason ?? String(error)),
    );
    return { signal, finish: work.resolve };
  };
  return { queue, state, ask };
}

/** Without a turn of the event loop: what an earlier test has left in this process could set timers in it. */
async function pass(ms: number): Promise<void> {
  vi.advanceTimersByTime(ms);
  await new Promise<void>((resolve) => process.nextTick(resolve));
}

describe('P6: calls that were cancelled', () => {
  it('are looked for every 100 ms while any wait, by one timer, and by none otherwise', async () => {
    const { state, ask } = open();
    const first = ask('first');
    expect(vi.getTimerCount()).toBe(0);
    const second = ask('second');
    ask('third');
    expect(vi.getTimerCount()).toBe(1);
    await pass(150);
    second.signal.aborted = true;
    await pass(49);
    expect(state['second']).toBe('waits');
    await pass(1);
    expect(state).toEqual({ first: 'runs', second: 'CANCELLED', third: 'waits' });
    first.finish();
    await pass(0);
    expect(state['third']).toBe('runs');
    await pass(100);
    expect(vi.getTimerCount()).toBe(0);
    // And again, once calls wait again.
    const fourth = ask('fourth');
    fourth.signal.aborted = true;
    await pass(100);
    expect(state['fourth']).toBe('CANCELLED');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are looked for when a full queue is asked, every 5 ms at most', async () => {
    const { state, ask } = open();
    await pass(1000);
    ask('runs', { lane: 'long' });
    const [one, two] = [ask('one', { lane: 'long' }), ask('two', { lane: 'long' })];
    ask('asks', { lane: 'long' });
    await pass(0);
    expect(state['asks']).toBe('QUEUE_FULL');
    one.signal.aborted = true;
    two.signal.aborted = true;
    await pass(4);
    ask('early', { lane: 'long' });
    await pass(0);
    expect(state).toMatchObject({ one: 'waits', early: 'QUEUE_FULL' });
    await pass(1);
    ask('late', { lane: 'long' });
    await pass(0);
    expect(state).toMatchObject({ one: 'CANCELLED', two: 'CANCELLED', late: 'waits' });
  });

  it('while the queue is not ready leave nothing to begin, and the next one begins', async () => {
    const ready = Promise.withResolvers<void>();
    const { state, ask } = open({ ready: () => ready.promise });
    const gone = ask('gone');
    gone.signal.aborted = true;
    // It waits for the queue, not for a turn: another one behind it has the timer run.
    const behind = ask('behind');
    behind.signal.aborted = true;
    await pass(200);
    expect(state).toEqual({ gone: 'CANCELLED', behind: 'CANCELLED' });
    ready.resolve();
    await pass(0);
    ask('next');
    await pass(0);
    expect(state['next']).toBe('runs');
  });
});

describe('P6: room', () => {
  it('is for a call that can begin, even if no call may wait, or another lane waits as much as all may', async () => {
    const { state, ask } = open({ maxWaiting: 1 });
    ask('runs', { lane: 'long' });
    ask('waits', { lane: 'long' });
    ask('short');
    await pass(0);
    expect(state).toEqual({ runs: 'runs', waits: 'waits', short: 'runs' });
    const none = { maxRunning: 1, maxWaiting: 0 };
    const strict = open({ lanes: { short: none, long: none } });
    strict.ask('first');
    strict.ask('second');
    await pass(0);
    expect(strict.state).toEqual({ first: 'runs', second: 'QUEUE_FULL' });
  });

  it('is made by the first of those who wait with most', async () => {
    const { state, ask } = open();
    ask('runs');
    for (const name of ['a1', 'b1', 'a2', 'b2']) ask(name, { origin: name[0]! });
    ask('c1', { origin: 'c' });
    await pass(0);
    expect(state).toEqual({ runs: 'runs', a1: 'waits', b1: 'waits', a2: 'QUEUE_FULL', b2: 'waits', c1: 'waits' });
  });
});
