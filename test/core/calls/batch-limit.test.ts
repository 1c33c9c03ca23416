import { expect, it } from 'vitest';
import { Allocator } from '../../../src/core/allocator.ts';
import type { Answer } from '../../../src/core/calls/batch-call.ts';
import { BatchCall } from '../../../src/core/calls/batch-call.ts';
import { BatchLimit } from '../../../src/core/calls/batch-limit.ts';
import { OrderError } from '../../../src/core/errors.ts';
import { MemoryLedger } from '../../support/engines/memory-ledger.ts';

it('P6: a call waits until those under way have few enough requests, and is refused only if too many wait', async () => {
  const { ledger, allocator, call } = open({ maxWaiting: 1 });
  const held = ledger.holdNext();
  const first = call('a', 'first', 1000);
  const [second, third] = [call('a', 'second', 1000), call('a', 'third', 2)];
  expect(allocator.queueLength).toBe(1000);
  expect((await third.answers).map(outcome)).toEqual(['QUEUE_FULL', 'QUEUE_FULL']);
  // One error: the stack traces of new ones would cost more than the refusals.
  expect(new Set(await third.answers).size).toBe(1);
  held.release();
  expect((await first.answers).map(outcome)).not.toContain('QUEUE_FULL');
  expect((await second.answers).map(outcome)).not.toContain('QUEUE_FULL');
  expect(ledger.batches.map((batch) => batch.length)).toEqual([1000, 1000]);
});

it('P6: calls under way are as many as their requests allow, and callers take turns', async () => {
  const { ledger, call } = open({ requests: 1002 });
  const held = ledger.holdNext();
  const calls = ['1', '2', '3', '4', '5'].map((key) => call('flood', key, 1));
  const other = call('other', 'x', 1);
  await held.begun;
  held.release();
  await Promise.all([...calls, other].map(({ answers }) => answers));
  const order = ledger.batches.flat().map(({ requestId }) => requestId);
  expect(order.slice(0, 3)).toEqual(['1-0', '2-0', '3-0']);
  expect(order.indexOf('x-0')).toBeLessThan(order.indexOf('5-0'));
});

it('P6: a caller with fewer waiting calls displaces the newest one of a flood', async () => {
  const { ledger, call } = open({ maxWaiting: 3 });
  const held = ledger.holdNext();
  const flood = ['1', '2', '3', '4'].map((key) => call('flood', key, 1000));
  const other = call('other', 'x', 1);
  expect(new Set((await flood[3]!.answers).map(outcome))).toEqual(new Set(['QUEUE_FULL']));
  held.release();
  expect((await other.answers).map(outcome)).toEqual(['x-0']);
  await Promise.all(flood.map(({ answers }) => answers));
});

it('P6 P7: a call that is cancelled or given up while it waits is not numbered, and knows it', async () => {
  const { ledger, call } = open();
  const held = ledger.holdNext();
  const first = call('a', 'first', 1000);
  const [cancelled, late] = [call('a', 'cancelled', 1), call('a', 'late', 1)];
  cancelled.signal.aborted = true;
  late.batch.giveUp();
  expect((await late.answers).map(outcome)).toEqual(['CANCELLED']);
  held.release();
  expect((await cancelled.answers).map(outcome)).toEqual(['CANCELLED']);
  await first.answers;
  expect(ledger.batches.flat().map(({ requestId }) => requestId)).not.toContain('late-0');
  expect(ledger.batches.flat()).toHaveLength(1000);
});

it('P6: a call that is cancelled while it waits leaves its place to a new one', async () => {
  const { ledger, call } = open({ maxWaiting: 1 });
  const held = ledger.holdNext();
  const first = call('a', 'first', 1000);
  const cancelled = call('a', 'cancelled', 1);
  cancelled.signal.aborted = true;
  const next = call('a', 'next', 1);
  expect((await cancelled.answers).map(outcome)).toEqual(['CANCELLED']);
  held.release();
  expect((await next.answers).map(outcome)).toEqual(['next-0']);
  await first.answers;
});

it('P10: a call whose turn comes while the server drains is refused as a whole', async () => {
  const { ledger, allocator, call } = open();
  const held = ledger.holdNext();
  const [first, second] = [call('a', 'first', 1000), call('a', 'second', 1)];
  const drained = allocator.drain(10_000);
  held.release();
  await expect(second.answers).rejects.toMatchObject({ reason: 'DRAINING' });
  expect(await drained).toBe(true);
  expect(await first.answers).toHaveLength(1000);
});

/** One call of 1,000 requests is under way, or as many as have `requests` in all. */
function open({ requests = 1000, maxWaiting = 10 } = {}) {
  const ledger = new MemoryLedger();
  const limits = { maxBatch: 1000, maxQueue: 10_000, maxQueueShare: 0.5, requireRequestId: false };
  const allocator = new Allocator({ ledger, ...limits });
  const limit = new BatchLimit({ requests, maxWaiting });
  const call = (origin: string, name: string, size: number) => {
    const signal = { aborted: false };
    const asked = Array.from({ length: size }, (_, i) => ({
      storeId: 7n,
      count: 1,
      requestId: `${name}-${i}`,
      caller: '',
    }));
    const batch = new BatchCall(asked, signal, origin);
    return { batch, signal, answers: limit.run(batch, () => batch.allocate(allocator, () => {})) };
  };
  return { ledger, allocator, call };
}

/** The key that was numbered, or the reason of the refusal. */
function outcome(answer: Answer): string {
  return answer instanceof OrderError ? answer.reason : answer.allocation.requestId;
}
