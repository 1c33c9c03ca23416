import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { INT64_MAX } from '../../../../src/core/allocation.ts';
import type { Key } from '../../../../src/engines/dynamodb/table/item.ts';
import { changeKey, lossKey, orderIdBucket, orderIdKey, runKey } from '../../../../src/engines/dynamodb/table/keys.ts';

const NUMBER = fc.bigInt({ min: 1n, max: INT64_MAX });
const POSITION = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const FRACTION_DIGITS = 18;

/** Exactly, in units of 10^-18. */
function valueOf({ sort }: Key): bigint {
  const [whole = '', fraction = ''] = sort.split('.');
  expect(fraction.length).toBeLessThanOrEqual(FRACTION_DIGITS);
  return BigInt(whole + fraction.padEnd(FRACTION_DIGITS, '0'));
}

/** The forms of numbers that DynamoDB gives back as they are: without zeros at the end, and of up to 38 digits. */
function expectKept({ sort }: Key): void {
  expect(sort).toMatch(/^(0|[1-9]\d*)(\.\d*[1-9])?$/);
  expect(sort.replace('.', '').length).toBeLessThanOrEqual(38);
}

it('P2: the changes of a store are behind the run before them, in the order of the log, and before the next run', () => {
  fc.assert(
    fc.property(NUMBER, NUMBER, POSITION, POSITION, (storeId, lastGiven, one, other) => {
      const change = changeKey(storeId, lastGiven, one);
      expectKept(change);
      expect(change.partition).toBe(`store#${storeId}`);
      expect(valueOf(change)).toBeGreaterThan(valueOf(runKey(storeId, lastGiven)));
      expect(valueOf(change)).toBeLessThan(valueOf(runKey(storeId, lastGiven + 1n)));
      const later = changeKey(storeId, lastGiven, other);
      expect(valueOf(later) - valueOf(change)).toBe(BigInt(other) - BigInt(one));
    }),
  );
});

it('a store that has given nothing is in front of its first run', () => {
  expectKept(changeKey(7n, 0n, 10));
  expect(changeKey(7n, 0n, 10).sort).toBe('0.00000000000000001');
  expect(valueOf(changeKey(7n, 0n, Number.MAX_SAFE_INTEGER))).toBeLessThan(valueOf(runKey(7n, 1n)));
});

it('losses are in the order of the log, and of their entry', () => {
  fc.assert(
    fc.property(POSITION, fc.nat(1000), fc.nat(1000), (position, one, other) => {
      const loss = lossKey(position, one);
      expectKept(loss);
      expect(valueOf(lossKey(position, other)) - valueOf(loss)).toBe(BigInt(other - one));
      expect(valueOf(lossKey(position + 1, 0))).toBeGreaterThan(valueOf(loss));
    }),
  );
});

it('P1: every order_id is in the bucket that is asked for it', () => {
  fc.assert(
    fc.property(NUMBER, (orderId) => {
      const bucket = orderIdBucket(orderId);
      expect(orderId / 1_000_000n).toBe(bucket);
      const key = orderIdKey(bucket, orderId);
      expectKept(key);
      expect(valueOf(key) / 10n ** BigInt(FRACTION_DIGITS)).toBe(orderId);
    }),
  );
});
