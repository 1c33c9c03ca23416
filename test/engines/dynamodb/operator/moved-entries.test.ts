import { expect, it } from 'vitest';
import type { Allocation } from '../../../../src/core/allocation.ts';
import { entryItem, toEntry } from '../../../../src/engines/dynamodb/log/entry-item.ts';
import type { LogChange } from '../../../../src/engines/dynamodb/log/log-entry.ts';
import { entriesOf } from '../../../../src/engines/dynamodb/operator/move/moved-entries.ts';

/** What DynamoDB takes: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html */
const MAX_ITEM_BYTES = 400 * 1024;
const COUNT = 4000;

/** As long as everything in a row can be, of one of so many stores and callers; JSON writes quotes twice as long. */
function longest(i: number, of = COUNT): Allocation {
  const style = { prefix: '"'.repeat(32), suffix: '\\'.repeat(32), minDigits: 19 };
  const requestId = `${i}`.padStart(128, '"');
  const orderId = 2n ** 62n + 1000n * BigInt(i);
  const round = BigInt(Math.floor(i / of));
  return {
    ...style,
    orderId,
    orderNumber: 2n ** 62n + 1000n * round,
    storeId: 2n ** 63n - 1n - BigInt(i % of),
    count: 1000,
    requestId,
    createTimeMs: 1000 * i,
    caller: `${i % of}`.padStart(64, '"'),
  };
}

it.each([1, COUNT])(
  'P4: the longest rows of %d stores are cut into entries that DynamoDB takes, and that say the same',
  (of) => {
    const rows = Array.from({ length: COUNT }, (_, i) => longest(i, of));
    const changes = [...entriesOf(rows, new Map())];
    expect(changes.flatMap(({ allocations }) => allocations)).toEqual(rows);
    expect(Math.max(...changes.map((change) => bytesOf(change)))).toBeLessThan(MAX_ITEM_BYTES);
    // They are not cut for nothing.
    expect(Math.min(...changes.slice(0, -1).map((change) => bytesOf(change)))).toBeGreaterThan(MAX_ITEM_BYTES / 2);
  },
);

it('P1 P2: a later entry leaves the stores of an earlier one as they were after it', () => {
  const [one, two, three] = [longest(0, 1), longest(2, 1), { ...longest(3, 1), prefix: '' }];
  const [first, second, third] = entriesOf([one, two, three], new Map());
  expect(first!.stores.map(({ lastNumber }) => lastNumber)).toEqual([one.orderNumber + 999n]);
  expect([first!.created.size, second!.created.size, third!.created.size]).toEqual([1, 0, 0]);
  expect(third!.stores.map(({ prefix, firstNumber }) => [prefix, firstNumber])).toEqual([['', one.orderNumber]]);
});

/** As DynamoDB counts them, of an entry that reads as it was written. */
function bytesOf(change: LogChange): number {
  const writer = { server: crypto.randomUUID(), indexedTo: 2 ** 40, putMs: 1000, lostRaces: 1000 };
  const entry = {
    ...change,
    ...writer,
    position: 2 ** 40,
    batchId: crypto.randomUUID(),
    previous: crypto.randomUUID(),
  };
  const item = entryItem(entry);
  expect(toEntry(item, entry.position)).toMatchObject({ allocations: change.allocations, stores: change.stores });
  const { partition, sort, attributes } = item;
  const texts = [partition, sort, ...Object.entries(attributes).flat()];
  return texts.reduce<number>((bytes, text) => bytes + Buffer.byteLength(String(text)), 20);
}
