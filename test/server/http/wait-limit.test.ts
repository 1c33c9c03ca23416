import { Socket } from 'node:net';
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { OrderError } from '../../../src/core/errors.ts';
import { ConnectionSignal, WaitLimit } from '../../../src/server/http/wait-limit.ts';

const LIMIT_MS = 1000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
});

it('a call is late soon after its limit, and given up soon after that, whoever left before', () => {
  const limit = new WaitLimit(LIMIT_MS);
  const calls = Array.from({ length: 4 }, () => newCall());
  for (const call of calls) limit.enter(call);
  expect([0, 3].map((i) => limit.leave(calls[i]!))).toEqual([true, true]);
  vi.advanceTimersByTime(LIMIT_MS / 2);
  const later = newCall();
  limit.enter(later);
  vi.advanceTimersByTime(LIMIT_MS / 2 + 60);
  expect([...calls, later].map(({ signal }) => signal.isLate)).toEqual([false, true, true, false, false]);
  expect(calls.map(({ givenUp }) => givenUp)).toEqual([0, 0, 0, 0]);
  vi.advanceTimersByTime(400);
  expect([...calls, later].map(({ givenUp }) => givenUp)).toEqual([0, 1, 1, 0, 0]);
  vi.advanceTimersByTime(LIMIT_MS);
  expect([...calls, later].map(({ givenUp }) => givenUp)).toEqual([0, 1, 1, 0, 1]);
});

it('a call that has its answer leaves once, and no timer runs while none waits', () => {
  const limit = new WaitLimit(LIMIT_MS);
  const call = newCall();
  limit.enter(call);
  expect([limit.leave(call), limit.leave(call)]).toEqual([true, false]);
  vi.advanceTimersByTime(60);
  expect(vi.getTimerCount()).toBe(0);
});

it('only a call that was cancelled because of the limit is told so', () => {
  const limit = new WaitLimit(LIMIT_MS);
  const { signal } = newCall();
  const cancelled = new OrderError('CANCELLED', 'cancelled');
  expect(limit.explain(cancelled, signal)).toBe(cancelled);
  signal.isLate = true;
  expect(limit.explain(cancelled, signal, 'request_id').message).toBe(
    'no number within 1 s; retry with the same request_id',
  );
  const full = new OrderError('QUEUE_FULL', 'full');
  expect(limit.explain(full, signal)).toBe(full);
});

function newCall() {
  const call = { signal: new ConnectionSignal(new Socket()), givenUp: 0, giveUp: () => void call.givenUp++ };
  return call;
}
