import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { settledWithin } from '../../src/core/settled-within.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

it('a promise that settles in time, either way, leaves no timer behind', async () => {
  expect(await settledWithin(1, Promise.resolve())).toBe(true);
  expect(await settledWithin(1000, Promise.reject(new Error('it failed')))).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

it('a promise that does not settle is waited for as long as was asked', async () => {
  const late = Promise.withResolvers<void>();
  let told: boolean | undefined;
  const waiting = settledWithin(1000, late.promise).then((settled) => (told = settled));
  await vi.advanceTimersByTimeAsync(999);
  expect(told).toBeUndefined();
  await vi.advanceTimersByTimeAsync(1);
  expect(told).toBe(false);
  await waiting;
});

it.each([0, -1])('%d ms are no wait, not even for a promise that is settled', async (ms) => {
  expect(await settledWithin(ms, Promise.resolve())).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
});
