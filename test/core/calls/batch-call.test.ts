import { expect, it } from 'vitest';
import type { AllocatorOptions } from '../../../src/core/allocator.ts';
import { Allocator } from '../../../src/core/allocator.ts';
import type { Answer } from '../../../src/core/calls/batch-call.ts';
import { BatchCall } from '../../../src/core/calls/batch-call.ts';
import { OrderError } from '../../../src/core/errors.ts';
import { MemoryLedger } from '../../support/engines/memory-ledger.ts';

it('P3: the requests of a call keep their order while callers take turns, and count one by one', async () => {
  const { ledger, allocator, call } = open();
  const held = ledger.holdNext();
  const first = call('flood', ['0']).answers;
  await held.begun;
  const answers = [call('flood', ['a', 'b', 'c']).answers, call('other', ['x', 'y']).answers];
  expect(allocator.queueLength).toBe(5);
  held.release();
  await Promise.all([first, ...answers]);
  expect(batches(ledger)).toEqual([['0'], ['a', 'x', 'b', 'y', 'c']]);
});

it('P6: the newest requests of a batch make room for another caller, each with its own QUEUE_FULL', async () => {
  const { ledger, call } = open({ maxQueue: 4 });
  const held = ledger.holdNext();
  const first = call('flood', ['0']).answers;
  await held.begun;
  const flood = call('flood', ['a', 'b', 'c', 'd', 'e']).answers;
  const other = call('other', ['x']).answers;
  held.release();
  expect((await flood).map(outcome)).toEqual(['a', 'b', 'c', 'QUEUE_FULL', 'QUEUE_FULL']);
  expect((await other).map(outcome)).toEqual(['x']);
  await first;
});

it('P5: a copy in another call joins its request, and either may be cancelled', async () => {
  const { ledger, call } = open();
  const held = ledger.holdNext();
  const first = call('a', ['0']).answers;
  await held.begun;
  const [one, two] = [call('a', ['x', 'y']), call('b', ['y', 'z'])];
  one.signal.aborted = true;
  held.release();
  expect((await one.answers).map(outcome)).toEqual(['CANCELLED', 'CANCELLED']);
  expect((await two.answers).map(outcome)).toEqual(['y', 'z']);
  await first;
  // It keeps the place of the request that it joined, in the line of the other caller.
  expect(batches(ledger)).toEqual([['0'], ['z', 'y']]);
});

it('P7: the outcome of what is given up is unknown, and a later answer changes nothing', async () => {
  const { ledger, call } = open({ maxQueue: 1 });
  const held = ledger.holdNext();
  const { batch, answers } = call('a', ['x', 'refused']);
  await held.begun;
  batch.giveUp();
  const settled = await answers;
  expect(settled.map(outcome)).toEqual(['OUTCOME_UNKNOWN', 'QUEUE_FULL']);
  held.release();
  expect((await call('a', ['x']).answers).map(outcome)).toEqual(['x']);
  expect(settled.map(outcome)).toEqual(['OUTCOME_UNKNOWN', 'QUEUE_FULL']);
});

it('P6: a call that comes while the allocator drains, or is too large, queues nothing', async () => {
  const { ledger, allocator, call } = open();
  expect(() => call('a', [])).toThrow(expect.objectContaining({ reason: 'BATCH_SIZE_INVALID' }));
  expect(() => call('a', Array.from({ length: 1001 }, String))).toThrow('a batch of 1001 requests');
  await allocator.drain(1000);
  expect(() => call('a', ['x'])).toThrow(expect.objectContaining({ reason: 'DRAINING' }));
  expect(ledger.batches).toEqual([]);
});

function open(options: Partial<AllocatorOptions> = {}) {
  const ledger = new MemoryLedger();
  const limits = { maxBatch: 1000, maxQueue: 10_000, maxQueueShare: 0.5, requireRequestId: false };
  const allocator = new Allocator({ ledger, ...limits, ...options });
  const call = (origin: string, keys: readonly string[]) => {
    const signal = { aborted: false };
    const requests = keys.map((requestId) => ({ storeId: 7n, count: 1, requestId, caller: '' }));
    const batch = new BatchCall(requests, signal, origin);
    batch.allocate(allocator, () => {});
    return { batch, signal, answers: batch.answers };
  };
  return { ledger, allocator, call };
}

/** The key that was numbered, or the reason of the refusal. */
function outcome(answer: Answer): string {
  return answer instanceof OrderError ? answer.reason : answer.allocation.requestId;
}

function batches({ batches: all }: MemoryLedger): string[][] {
  return all.map((batch) => batch.map(({ requestId }) => requestId));
}
