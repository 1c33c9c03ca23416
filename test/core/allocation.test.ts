import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Allocation } from '../../src/core/allocation.ts';
import {
  INT64_MAX,
  MAX_COUNT,
  checkCount,
  checkRequestId,
  checkStoreId,
  displayNumber,
  lastOrderIdOf,
  newRequestId,
} from '../../src/core/allocation.ts';

afterEach(() => {
  vi.useRealTimers();
});

describe('store_id', () => {
  it.each([1n, 9007199254740993n, INT64_MAX])('P6: %s is valid', (storeId) => {
    expect(() => checkStoreId(storeId)).not.toThrow();
  });

  it.each([0n, -1n, -INT64_MAX, INT64_MAX + 1n])('P6: %s is refused and named', (storeId) => {
    expect(() => checkStoreId(storeId)).toThrow(
      expect.objectContaining({ reason: 'STORE_ID_INVALID', fields: { store_id: String(storeId) } }),
    );
  });
});

describe('count', () => {
  it.each([1, 2, MAX_COUNT])('P6: %d is valid', (count) => {
    expect(() => checkCount(count)).not.toThrow();
  });

  it.each([0, -1, 1001, 1.5, NaN, Infinity])('P6: %d is refused and named', (count) => {
    expect(() => checkCount(count)).toThrow(
      expect.objectContaining({ reason: 'COUNT_INVALID', fields: { count: String(count) } }),
    );
  });
});

describe('request_id', () => {
  const valid = ['a', '!', '~', 'order/4711#2', 'x'.repeat(128), newRequestId()];
  it.each(valid)('P6: %j is valid', (requestId) => {
    expect(() => checkRequestId(requestId)).not.toThrow();
  });

  const invalid = ['', 'x'.repeat(129), 'a b', ' a', 'a ', 'a\n', 'a\tb', '\0', 'a\x7f', 'ä', '№7', '😀'];
  it.each(invalid)('P6: %j is refused', (requestId) => {
    expect(() => checkRequestId(requestId)).toThrow(
      expect.objectContaining({ reason: 'REQUEST_ID_INVALID', fields: { request_id: requestId } }),
    );
  });
});

it('P6: a long request_id is shown in part', () => {
  expect(() => checkRequestId('x'.repeat(200))).toThrow(`request_id "${'x'.repeat(32)}" (length 200) is not valid`);
});

it('a run ends where its numbers do', () => {
  expect(lastOrderIdOf({ orderId: 5n, count: 1 })).toBe(5n);
  expect(lastOrderIdOf({ orderId: 5n, count: 3 })).toBe(7n);
});

describe('a generated request_id', () => {
  it('P5: is a UUIDv7, a different one each time', () => {
    const ids = Array.from({ length: 1000 }, newRequestId);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(ids).size).toBe(1000);
  });

  it('starts with its time, so that later ones sort after earlier ones', () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const times = [0, 1, 255, 1_700_000_000_000, 1_700_000_000_001, 2 ** 48 - 1];
    const ids = times.map((time) => {
      vi.setSystemTime(time);
      return newRequestId();
    });
    expect(ids.map((id) => parseInt(id.replace('-', '').slice(0, 12), 16))).toEqual(times);
    expect(ids.toSorted()).toEqual(ids);
  });
});

describe('display_number', () => {
  const allocation: Allocation = {
    orderId: 1n,
    storeId: 7n,
    orderNumber: 100n,
    count: 1,
    requestId: 'a',
    prefix: '',
    suffix: '',
    minDigits: 0,
    createTimeMs: 0,
    caller: '',
  };

  it.each([
    [{}, '100'],
    [{ minDigits: 3 }, '100'],
    [{ minDigits: 6 }, '000100'],
    [{ prefix: 'W-', suffix: '/26', minDigits: 4 }, 'W-0100/26'],
    [{ orderNumber: INT64_MAX, minDigits: 19 }, '9223372036854775807'],
  ])('with the style %o is %s', (style, expected) => {
    expect(displayNumber({ ...allocation, ...style })).toBe(expected);
  });
});
