import { expect, it } from 'vitest';
import { FailedAttempts } from '../../../src/server/security/failed-attempts.ts';

const LIMITS = { burst: 3, perSecond: 2, addresses: 4 };

it('lets a burst of an address pass, and then so many per second', () => {
  const clock = { ms: 0 };
  const attempts = new FailedAttempts(LIMITS, () => clock.ms);
  const tries = (count: number) => Array.from({ length: count }, () => attempts.add('192.0.2.1').isOverLimit);
  expect(tries(5)).toEqual([false, false, false, true, true]);
  clock.ms += 499;
  expect(tries(1)).toEqual([true]);
  clock.ms += 501;
  expect(tries(3)).toEqual([false, false, true]);
  clock.ms += 3_600_000;
  expect(tries(4)).toEqual([false, false, false, true]);
});

it('says with the next one that passes how many did not', () => {
  const clock = { ms: 0 };
  const attempts = new FailedAttempts(LIMITS, () => clock.ms);
  for (let i = 0; i < 10; i++) attempts.add('192.0.2.1');
  clock.ms += 500;
  expect(attempts.add('192.0.2.1')).toEqual({ isOverLimit: false, unlogged: 7, network: '192.0.2.1' });
  clock.ms += 500;
  expect(attempts.add('192.0.2.1')).toEqual({ isOverLimit: false, unlogged: 0, network: '192.0.2.1' });
});

it('counts each address for itself: an IPv6 address with its /64, an IPv4 address however it is written', () => {
  const same = [
    ['192.0.2.1', '::ffff:192.0.2.1'],
    ['2001:db8::1', '2001:db8::ffff:2'],
    ['2001:db8:0:1::', '2001:0DB8:0000:0001:9:8:7:6'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::'],
    ['fe80::1%eth0', 'fe80::2'],
    ['::1', '::2'],
    ['1::2:3:4:5:6', '1:0:0:2:9::'],
    ['', ''],
  ] as const;
  const different = [
    ['192.0.2.1', '192.0.2.2'],
    ['2001:db8::1', '2001:db8:0:1::1'],
    ['2001:db8:1:2::', '2001:db8:1:3::'],
    ['1::2:3:4:5:6', '1::2:3:4:5'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.2'],
  ] as const;
  expect(same.filter(([one, other]) => !areOne(one, other))).toEqual([]);
  expect(different.filter(([one, other]) => areOne(one, other))).toEqual([]);
});

it('remembers a bounded number of addresses, those that failed last', () => {
  const attempts = new FailedAttempts({ ...LIMITS, burst: 1, perSecond: 0 });
  for (const last of [1, 2, 3, 4, 1, 5]) attempts.add(`192.0.2.${last}`);
  expect(attempts.add('192.0.2.5').isOverLimit).toBe(true);
  expect(attempts.add('192.0.2.1').isOverLimit).toBe(true);
  expect(attempts.add('192.0.2.2').isOverLimit).toBe(false);
  for (let i = 0; i < 100_000; i++) attempts.add(`2001:db8:${(i >> 8).toString(16)}:${(i & 255).toString(16)}::1`);
  expect(attempts.size).toBeLessThanOrEqual(LIMITS.addresses);
});

function areOne(one: string, other: string): boolean {
  const attempts = new FailedAttempts({ ...LIMITS, burst: 1, perSecond: 0 });
  attempts.add(one);
  return attempts.add(other).isOverLimit;
}
