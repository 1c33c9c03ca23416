import { afterEach, expect, it, vi } from 'vitest';
import { NoAnswer } from '../../../../src/engines/dynamodb/table/failures.ts';
import type { Item } from '../../../../src/engines/dynamodb/table/item.ts';
import type { TableClient } from '../../../../src/engines/dynamodb/table/table.ts';
import { Table } from '../../../../src/engines/dynamodb/table/table.ts';

type Input = Readonly<Record<string, unknown>>;
type Answer = (input: Input) => unknown;

/** A client that answers each request by the next of these answers; the last one answers all that follow. */
function fakeTable(...answers: Answer[]) {
  const asked: { readonly name: string; readonly input: Input }[] = [];
  const send = (command: { readonly constructor: { readonly name: string }; readonly input: Input }) => {
    asked.push({ name: command.constructor.name, input: command.input });
    const answer = answers[Math.min(asked.length, answers.length) - 1]!;
    return Promise.resolve().then(() => answer(command.input));
  };
  return { asked, table: new Table({ send } as unknown as TableClient, 'orders') };
}

function fails(name: string, more: object = {}): Answer {
  return () => {
    throw Object.assign(new Error(name), { name }, more);
  };
}

const ITEM: Item = { partition: 'log#1', sort: '0', attributes: { batch: 'x', last_order_id: 2n ** 63n - 1n } };
const VALUES = { pk: { S: 'log#1' }, sk: { N: '0' }, batch: { S: 'x' }, last_order_id: { N: '9223372036854775807' } };
const ITEMS = Array.from({ length: 250 }, (_, i): Item => ({ partition: `req#7#${i}`, sort: '0', attributes: {} }));

interface BatchGet {
  readonly RequestItems: { readonly orders: { readonly Keys: readonly object[] } };
}
interface BatchWrite {
  readonly RequestItems: { readonly orders: readonly object[] };
}

afterEach(() => void vi.useRealTimers());

it('P5: keys that were not processed are read again, and are not absent', async () => {
  const { asked, table } = fakeTable((input) => {
    const { Keys } = (input as unknown as BatchGet).RequestItems.orders;
    // Half of them each time, rounded up.
    const half = Math.ceil(Keys.length / 2);
    const UnprocessedKeys = half === Keys.length ? {} : { orders: { Keys: Keys.slice(half) } };
    return { Responses: { orders: Keys.slice(0, half) }, UnprocessedKeys };
  });
  expect((await table.getAll(ITEMS)).size).toBe(250);
  const sizes = asked.map(({ input }) => (input as unknown as BatchGet).RequestItems.orders.Keys.length);
  expect(Math.max(...sizes)).toBe(100);
  expect(sizes.length).toBeGreaterThan(10);
});

it('items that were not processed are written again', async () => {
  const written = new Set<string>();
  const { asked, table } = fakeTable((input) => {
    const puts = (input as unknown as BatchWrite).RequestItems.orders;
    const [first, ...others] = puts;
    written.add(JSON.stringify(first));
    return { UnprocessedItems: others.length > 0 ? { orders: others.slice(0, 3) } : {} };
  });
  await table.putAll(ITEMS.slice(0, 4));
  expect(written.size).toBe(4);
  expect(asked).toHaveLength(4);
});

it('a batch has at most 25 writes', async () => {
  const { asked, table } = fakeTable(() => ({}));
  await table.putAll(ITEMS);
  expect(asked.map(({ input }) => (input as unknown as BatchWrite).RequestItems.orders.length)).toEqual(
    Array.from({ length: 10 }, () => 25),
  );
});

it('items that nobody wants written any more are not sent, nor sent again', async () => {
  const away = Promise.withResolvers<object>();
  const { asked, table } = fakeTable(() => away.promise);
  const stop = new AbortController();
  const written = table.putAll([...ITEMS, ...ITEMS, ...ITEMS, ...ITEMS], undefined, stop.signal);
  await expect.poll(() => asked.length).toBeGreaterThan(0);
  const before = asked.length;
  stop.abort();
  away.reject(Object.assign(new Error('no answer'), { name: 'InternalServerError' }));
  await expect(written).rejects.toThrow('not wanted any more');
  expect(asked).toHaveLength(before);
});

it('P4 P7: a put of the log is one attempt, whatever becomes of it', async () => {
  for (const name of ['ThrottlingException', 'InternalServerError', 'TimeoutError', 'AccessDeniedException']) {
    const { asked, table } = fakeTable(fails(name));
    await expect(table.putNew(ITEM)).rejects.toMatchObject({ name });
    expect(asked).toHaveLength(1);
  }
});

it('P1: a put of the log has its condition, and who has the position is returned', async () => {
  const own = fakeTable(() => ({}));
  expect(await own.table.putNew(ITEM)).toBeUndefined();
  expect(own.asked[0]!.input).toMatchObject({ Item: VALUES, ConditionExpression: 'attribute_not_exists(pk)' });
  const taken = fakeTable(fails('ConditionalCheckFailedException', { Item: VALUES }));
  expect(await taken.table.putNew({ ...ITEM, attributes: {} })).toEqual(ITEM);
  // An answer without the item: it is read.
  const read = fakeTable(fails('ConditionalCheckFailedException'), () => ({ Item: VALUES }));
  expect(await read.table.putNew(ITEM)).toEqual(ITEM);
  const gone = fakeTable(fails('ConditionalCheckFailedException'), () => ({}));
  await expect(gone.table.putNew(ITEM)).rejects.toThrow(NoAnswer);
});

it('reads are consistent, and repeated until they are answered', async () => {
  const { asked, table } = fakeTable(
    fails('ThrottlingException'),
    fails('InternalServerError'),
    fails('ECONNRESET'),
    () => ({ Item: VALUES }),
  );
  expect(await table.get(ITEM)).toEqual(ITEM);
  expect(asked).toHaveLength(4);
  const batch = fakeTable(() => ({ Responses: {} }));
  expect((await batch.table.getAll([ITEM])).size).toBe(0);
  const list = fakeTable(() => ({ Items: [VALUES] }));
  expect(await list.table.list({ partition: 'log#1' }, 1)).toEqual([ITEM]);
  for (const { input } of [...asked, ...list.asked]) expect(input).toMatchObject({ ConsistentRead: true });
  expect(batch.asked[0]!.input).toMatchObject({ RequestItems: { orders: { ConsistentRead: true } } });
});

it.each(['AccessDeniedException', 'ResourceNotFoundException', 'ValidationException'])(
  '%s ends a read at once',
  async (name) => {
    const { asked, table } = fakeTable(fails(name));
    await expect(table.get(ITEM)).rejects.toMatchObject({ name });
    await expect(table.getAll([ITEM])).rejects.toMatchObject({ name });
    await expect(table.putAll([ITEM])).rejects.toMatchObject({ name });
    expect(asked).toHaveLength(3);
  },
);

it('a list goes on behind a page that is empty, and ends with the last one', async () => {
  const start = { pk: { S: 'store#7' }, sk: { N: '100' } };
  const { asked, table } = fakeTable(
    () => ({ Items: [], LastEvaluatedKey: start }),
    () => ({ Items: [VALUES], LastEvaluatedKey: start }),
    () => ({ Items: [VALUES] }),
  );
  expect(await table.list({ partition: 'store#7', from: '1', to: '2', newestFirst: true }, 100)).toEqual([ITEM, ITEM]);
  expect(asked.map(({ input }) => input['ExclusiveStartKey'])).toEqual([undefined, start, start]);
  expect(asked[0]!.input).toMatchObject({
    KeyConditionExpression: 'pk = :pk AND sk BETWEEN :from AND :to',
    ScanIndexForward: false,
  });
});

it('a mark is raised from the value that was read, or from none', async () => {
  const key = { partition: 'meta', sort: '0' };
  const { asked, table } = fakeTable(() => ({
    Attributes: { pk: { S: 'meta' }, sk: { N: '0' }, indexed_to: { N: '6' } },
  }));
  const after = { ...key, attributes: { indexed_to: 6n } };
  expect(await table.raise(key, 'indexed_to', undefined, 5n)).toEqual(after);
  expect(await table.raise(key, 'indexed_to', 5n, 6n)).toEqual(after);
  expect(asked.map(({ input }) => input['ConditionExpression'])).toEqual([
    'attribute_not_exists(#name)',
    '#name = :from',
  ]);
  const lost = fakeTable(fails('ConditionalCheckFailedException'));
  expect(await lost.table.raise(key, 'indexed_to', 5n, 6n)).toBeUndefined();
  const late = fakeTable(fails('TimeoutError'));
  await expect(late.table.raise(key, 'indexed_to', 5n, 6n)).rejects.toThrow('TimeoutError');
  expect(late.asked).toHaveLength(1);
});

it('P7: a request without an answer is given up after 3 s, and what became of it is not known', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { table } = fakeTable(() => new Promise(() => {}));
  const put = table.putNew(ITEM);
  const failure = put.catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(3000);
  expect(await failure).toBeInstanceOf(NoAnswer);
});
