import { expect, test } from 'vitest';
import { Random } from '../random.ts';
import { VirtualClock } from './virtual-clock.ts';

test('a run waits for the timer of what was begun just before it', async () => {
  const clock = new VirtualClock(new Random(1));
  let isOver = false;
  // Behind a microtask, as an async function sets one.
  void Promise.resolve().then(() =>
    clock.after(20, () => {
      isOver = true;
    }),
  );

  await clock.run(() => isOver);

  expect(isOver).toBe(true);
  expect(clock.nowMs).toBe(20);
});

test('a run ends when no timer is left', async () => {
  const clock = new VirtualClock(new Random(1));
  clock.after(5, () => {});

  await clock.run(() => false);

  expect(clock.nowMs).toBe(5);
});
