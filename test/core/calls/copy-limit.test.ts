import { expect, it } from 'vitest';
import { CopyLimit } from '../../../src/core/calls/copy-limit.ts';

function entered(limit: CopyLimit, origins: string): boolean[] {
  return [...origins].map((origin) => limit.enter(origin));
}

it('P6: copies are bounded in all, and per origin', () => {
  const limit = new CopyLimit(5, 0.5);
  // Half of five is two.
  expect(entered(limit, 'aaabbbcd')).toEqual([true, true, false, true, true, false, true, false]);
});

it('P6: a copy that leaves makes room, in all and for its origin', () => {
  const limit = new CopyLimit(2, 0.5);
  expect(entered(limit, 'aabc')).toEqual([true, false, true, false]);
  limit.leave('a');
  expect(entered(limit, 'ba')).toEqual([false, true]);
  limit.leave('b');
  limit.leave('a');
  expect(entered(limit, 'aab')).toEqual([true, false, true]);
});

it('P6: an origin with several copies keeps those that stay', () => {
  const limit = new CopyLimit(10, 0.3);
  expect(entered(limit, 'aaaa')).toEqual([true, true, true, false]);
  limit.leave('a');
  expect(entered(limit, 'aa')).toEqual([true, false]);
});

it('P6: one copy per origin is always allowed, and all of them with the whole share', () => {
  expect(entered(new CopyLimit(3, 0.1), 'aab')).toEqual([true, false, true]);
  expect(entered(new CopyLimit(3, 1), 'aaaa')).toEqual([true, true, true, false]);
});
