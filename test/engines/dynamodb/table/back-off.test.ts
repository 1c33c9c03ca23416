import { expect, it } from 'vitest';
import { BackOff } from '../../../../src/engines/dynamodb/table/back-off.ts';

it('pauses are twice as long each time, up to half a second, and end once they are not wanted any more', async () => {
  const stopped = AbortSignal.abort();
  const backOff = new BackOff();
  const pauses: number[] = [];
  for (let i = 0; i < 7; i++) {
    pauses.push(backOff.nextMs);
    await backOff.pause(stopped);
  }
  expect(pauses).toEqual([20, 40, 80, 160, 320, 500, 500]);
});

it('a pause that nobody ends takes its time, and one that is ended does not', async () => {
  const began = performance.now();
  await new BackOff(50).pause(new AbortController().signal);
  expect(performance.now() - began).toBeGreaterThanOrEqual(49);
  const closing = new AbortController();
  const paused = new BackOff(60_000).pause(closing.signal);
  closing.abort();
  await paused;
});
