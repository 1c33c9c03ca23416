import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Answer } from '../../../src/core/calls/batch-call.ts';
import { BatchCall, MAX_REQUESTS } from '../../../src/core/calls/batch-call.ts';
import { BatchLimit } from '../../../src/core/calls/batch-limit.ts';
import { OrderError } from '../../../src/core/errors.ts';
import { cancelled } from '../../../src/core/refusals.ts';

/** Calls that begin when the limit lets them, and end when the test wants. */
function open({ requests = MAX_REQUESTS + 1, maxWaiting = 2 } = {}) {
  const limit = new BatchLimit({ requests, maxWaiting });
  const begun: string[] = [];
  const call = (name: string, { size = 1, origin = 'a', fails = undefined as Error | undefined } = {}) => {
    const signal = { aborted: false };
    const asked = Array.from({ length: size }, (_, i) => ({ storeId: 7n, count: 1, requestId: `${i}`, caller: '' }));
    const batch = new BatchCall(asked, signal, origin);
    const answers = limit.run(batch, () => {
      begun.push(name);
      if (fails) throw fails;
    });
    answers.catch(() => {});
    // Each is answered with a refusal of its own, which says nothing here.
    const end = async () => {
      batch.settleRest(cancelled);
      await setImmediate();
    };
    return { batch, signal, answers, end };
  };
  return { begun, call };
}

function reasonsOf(answers: readonly Answer[]): string[] {
  return answers.map((answer) => (answer instanceof OrderError ? answer.reason : 'OK'));
}

it('P6: calls begin at once while the largest would still fit, and then one as soon as it does', async () => {
  const { begun, call } = open();
  const [one, two] = [call('one'), call('two')];
  call('three');
  expect(begun).toEqual(['one', 'two']);
  await one.end();
  expect(begun).toEqual(['one', 'two', 'three']);
  call('four');
  await two.end();
  expect(begun).toEqual(['one', 'two', 'three', 'four']);
});

it('P6: all that fit begin when a large one ends, in turns of their callers', async () => {
  const { begun, call } = open({ requests: MAX_REQUESTS + 1, maxWaiting: 10 });
  const large = call('large', { size: 3 });
  for (const name of ['a1', 'a2', 'a3']) call(name);
  call('b1', { origin: 'b' });
  expect(begun).toEqual(['large']);
  await large.end();
  expect(begun).toEqual(['large', 'a1', 'b1']);
});

it('P6: a call that fails to begin is reported, and gives its room back', async () => {
  const { begun, call } = open({ requests: MAX_REQUESTS });
  const fault = new Error('it cannot begin');
  await expect(call('failed', { fails: fault }).answers).rejects.toBe(fault);
  await setImmediate();
  const next = call('next');
  expect(begun).toEqual(['failed', 'next']);
  await next.end();
  expect(reasonsOf(await next.answers)).toEqual(['CANCELLED']);
});

it('P6: beyond the bound a call is refused, or displaces one of a caller that has more, with one error', async () => {
  const { call } = open();
  const flood = ['1', '2', '3', '4', '5'].map((name) => call(name, { size: 2 }));
  const refused = await flood[3]!.answers;
  expect(reasonsOf(refused)).toEqual(['QUEUE_FULL', 'QUEUE_FULL']);
  expect(refused[1]).toBe(refused[0]);
  expect((await flood[4]!.answers)[0]).toBe(refused[0]);
  call('other', { origin: 'b' });
  const displaced = await flood[2]!.answers;
  expect(reasonsOf(displaced)).toEqual(['QUEUE_FULL', 'QUEUE_FULL']);
  expect(displaced[0]).toBe(refused[0]);
});

it('P6 P7: what is answered or cancelled while it waits does not begin', async () => {
  const { begun, call } = open({ requests: MAX_REQUESTS, maxWaiting: 10 });
  const first = call('first');
  const [answered, gone] = [call('answered'), call('gone', { size: 2 })];
  call('last');
  answered.batch.giveUp();
  gone.signal.aborted = true;
  await first.end();
  expect(begun).toEqual(['first', 'last']);
  expect(reasonsOf(await answered.answers)).toEqual(['CANCELLED']);
  expect(reasonsOf(await gone.answers)).toEqual(['CANCELLED', 'CANCELLED']);
});
