import { expect, it, onTestFinished, vi } from 'vitest';
import { CallError } from '../../../src/server/console/page/calls/call-error.js';
import { fromEnvelopes, toEnvelope } from '../../../src/server/console/page/calls/envelopes.js';
import { countOf, toNumber, toStore } from '../../../src/server/console/page/calls/messages.js';
import { keepRunning } from '../../../src/server/console/page/calls/retrying.js';
import { toVerifyStep } from '../../../src/server/console/page/calls/server-messages.js';
import { displayNumber, numberShownAs } from '../../../src/server/console/page/lookup/display-number.js';
import { search } from '../../../src/server/console/page/lookup/search.js';
import { StoreList } from '../../../src/server/console/page/panels/store-list.js';

// What of the page needs no browser.

it('messages come out of a stream as they went in, however it is cut', async () => {
  const texts = ['{}', '{"prefix":"Zürich"}', '', 'x'.repeat(700)];
  const bytes = Buffer.concat(texts.map(toEnvelope));
  for (const size of [1, 3, 7, 4096, bytes.length]) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    );
    const read: string[] = [];
    for await (const { flags, text } of fromEnvelopes(bodyOf(chunks))) {
      expect(flags).toBe(0);
      read.push(text);
    }
    expect(read).toEqual(texts);
  }
});

it('numbers are exact up to 2^63-1, and nothing else is a number', () => {
  expect(toNumber('9223372036854775807')).toBe(2n ** 63n - 1n);
  expect(toNumber('9007199254740993')).toBe(9007199254740993n);
  for (const text of ['', '0', '-1', '1.5', '1e3', ' 7', '9223372036854775808', '٣']) {
    expect([text, toNumber(text)]).toEqual([text, undefined]);
  }
});

it('the count of a store is what it has given, also when its numbers are used up', () => {
  expect(countOf(toStore({ storeId: '7', firstNumber: '100', nextNumber: '142' }))).toBe(42n);
  expect(countOf(toStore({ storeId: '7', nextNumber: '100' }))).toBe(0n);
  // JSON leaves a 0 out.
  expect(countOf(toStore({ storeId: '7', firstNumber: '9223372036854775800' }))).toBe(8n);
});

it('a display number is read back under the format that made it, and under no other', () => {
  const format = { prefix: 'W-', suffix: '/26', minDigits: 6 };
  for (const number of [1n, 5000n, 1234567n, 2n ** 63n - 1n]) {
    expect(numberShownAs(format, displayNumber(format, number))).toBe(number);
  }
  for (const text of ['W-5000/26', 'W-0005000/26', 'W-005000', '005000', 'W-000000/26', 'W-/26', 'W-00500a/26']) {
    expect([text, numberShownAs(format, text)]).toEqual([text, undefined]);
  }
  expect(numberShownAs({ prefix: '9', suffix: '9', minDigits: 0 }, '9')).toBeUndefined();
});

it('a display number finds an order only if that was its display number at its time', async () => {
  const today = {
    storeId: 7n,
    firstNumber: 1n,
    nextNumber: 9n,
    prefix: 'W-',
    suffix: '',
    minDigits: 3,
    createTime: '',
  };
  const order = {
    orderId: 4n,
    storeId: 7n,
    orderNumber: 5n,
    count: 1,
    displayNumber: '',
    requestId: 'r',
    createTime: '',
  };
  const found = async (prefix: string) => {
    const getAllocation = (key: object) =>
      'orderNumber' in key
        ? Promise.resolve({ ...order, caller: '', prefix, suffix: '', minDigits: 3 })
        : Promise.reject(new CallError('not_found', ''));
    const api = { getAllocation, getStore: () => Promise.resolve(today) };
    const { hits } = await search(api as unknown as Parameters<typeof search>[0], 'W-005', 7n);
    return hits.map(({ foundAs }) => foundAs);
  };
  expect(await found('W-')).toEqual([['display number']]);
  expect(await found('')).toEqual([]);
});

it('a verdict is good only if it says so: JSON leaves out what is false', () => {
  const verdict = { rows: '3', findings: '1' };
  expect(toVerifyStep({ verdict })).toMatchObject({ ok: false, rows: 3n, findings: 1n });
  expect(toVerifyStep({ verdict: { ...verdict, ok: true } })).toMatchObject({ ok: true });
});

it('what should not end is started again after longer and longer pauses, until no retry can help', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const stop = new AbortController();
  onTestFinished(() => {
    stop.abort();
    vi.useRealTimers();
  });
  const starts: number[] = [];
  const failures: string[] = [];
  const run = () => {
    starts.push(performance.now());
    return Promise.reject(new CallError(starts.length < 7 ? 'unavailable' : 'unauthenticated', ''));
  };
  void keepRunning(run, stop.signal, ({ code }) => failures.push(code));
  await vi.advanceTimersByTimeAsync(120_000);
  expect(starts.map((start) => start - starts[0]!)).toEqual([0, 1000, 3000, 7000, 15_000, 25_000, 35_000]);
  expect(failures).toEqual([...Array.from({ length: 6 }, () => 'unavailable'), 'unauthenticated']);
});

it('stores are sorted exactly beyond 2^53, searched, and cut into pages', () => {
  const list = new StoreList(2);
  const big = 2n ** 53n;
  list.put([store(big + 1n, 10n, 'W-'), store(big, 20n), store(3n, 30n), store(big + 2n, 30n, 'w2')]);
  const ids = () => list.shown().rows.map(({ storeId }) => storeId);
  expect(ids()).toEqual([3n, big]);
  list.page = 9;
  expect([ids(), list.shown().isLast]).toEqual([[big + 1n, big + 2n], true]);
  list.sortBy('count');
  expect(ids()).toEqual([big + 1n, big]);
  list.sortBy('count');
  expect(ids()).toEqual([big + 2n, 3n]);
  list.filter = 'W';
  expect(list.shown()).toMatchObject({ total: 2, start: 0, isLast: true });
  list.filter = '740993';
  expect(ids()).toEqual([big + 1n]);
});

function bodyOf(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}

function store(storeId: bigint, nextNumber: bigint, prefix = '') {
  return toStore({ storeId: String(storeId), firstNumber: '1', nextNumber: String(nextNumber), prefix });
}
