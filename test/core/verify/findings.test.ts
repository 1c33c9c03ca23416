import { describe, expect, it } from 'vitest';
import type { PassRow } from '../../../src/core/verify/all-rows-check.ts';
import { events, findingsOf, type MemorySource, row } from './memory-source.ts';

const IN_ORDER: readonly string[] = [];

it('a good ledger has no findings, and its reading tells how far it is', async () => {
  expect(await events()).toEqual([
    { kind: 'progress', rowsRead: 4n, orderId: 4n, endOrderId: 12n },
    { kind: 'progress', rowsRead: 8n, orderId: 9n, endOrderId: 12n },
    { kind: 'progress', rowsRead: 9n, orderId: 10n, endOrderId: 12n },
    { kind: 'sequence', storeId: undefined, first: 1n, last: 12n, count: 12n },
    { kind: 'progress', rowsRead: 9n, orderId: 12n, endOrderId: 12n },
    { kind: 'sequence', storeId: 7n, first: 100n, last: 105n, count: 6n },
    { kind: 'sequence', storeId: 8n, first: 100n, last: 105n, count: 6n },
    { kind: 'progress', rowsRead: 9n, orderId: 12n, endOrderId: 12n },
    { kind: 'progress', rowsRead: 9n, orderId: 12n, endOrderId: 12n },
    { kind: 'progress', rowsRead: 9n, orderId: 12n, endOrderId: 12n },
    { kind: 'verdict', asOfOrderId: 12n, rows: 9n, sequences: 3n, findings: 0n, ok: true },
  ]);
});

it('one good store is read by its numbers, page by page', async () => {
  expect(await events(() => {}, 7n)).toEqual([
    { kind: 'progress', rowsRead: 4n, orderId: 7n, endOrderId: 12n },
    { kind: 'sequence', storeId: 7n, first: 100n, last: 105n, count: 6n },
    { kind: 'progress', rowsRead: 5n, orderId: 12n, endOrderId: 12n },
    { kind: 'verdict', asOfOrderId: 12n, rows: 5n, sequences: 1n, findings: 0n, ok: true },
  ]);
});

it('a store that is neither in the rows nor in the counters is good', async () => {
  expect(await events(() => {}, 99n)).toEqual([
    { kind: 'progress', rowsRead: 0n, orderId: 12n, endOrderId: 12n },
    { kind: 'verdict', asOfOrderId: 12n, rows: 0n, sequences: 0n, findings: 0n, ok: true },
  ]);
});

it('findings are counted, and the verdict is not good', async () => {
  const all = await events((source) => without(source, 3n));
  expect(all.at(-1)).toEqual({
    kind: 'verdict',
    asOfOrderId: 12n,
    rows: 8n,
    sequences: 3n,
    findings: 2n,
    ok: false,
  });
  // The numbers of store 7 are read again, to name the hole.
  const message = 'no row covers order_number 101 of store 7';
  expect(all.filter(({ kind }) => kind !== 'progress').slice(1, -1)).toEqual([
    { kind: 'sequence', storeId: undefined, first: 1n, last: 12n, count: 11n },
    { kind: 'finding', findingKind: 'hole', storeId: 7n, first: 101n, last: 101n, message },
    { kind: 'sequence', storeId: 7n, first: 100n, last: 105n, count: 5n },
    { kind: 'sequence', storeId: 8n, first: 100n, last: 105n, count: 6n },
  ]);
});

describe('the sequence of all stores', () => {
  it.each<Damage>([
    [
      'a row is missing',
      (source) => without(source, 3n),
      ['hole 3: order_id 3', 'hole 7 101: order_number 101 of store 7'],
    ],
    [
      'the first row is missing',
      (source) => without(source, 1n),
      ['hole 1: order_id 1', 'hole 7 100: order_number 100 of store 7'],
    ],
    [
      'a run is missing',
      (source) => without(source, 4n),
      ['hole 4-5: order_id 4 to 5', 'hole 7 102-103: order_number 102 to 103 of store 7'],
    ],
    ['the counter is ahead', (source) => endAt(source, 13n), ['hole 13: order_id 13']],
    [
      'rows lie above the counter',
      (source) => (source.ledger = { ...source.ledger, rowsAbove: 2n }),
      ['mismatch 13: 2 rows lie above the counter of order_ids, 12'],
    ],
    [
      'more rows lie above the counter than were counted',
      (source) => (source.ledger = { ...source.ledger, rowsAbove: 2n, hasMoreAbove: true }),
      ['mismatch 13: 2 or more rows lie above the counter of order_ids, 12'],
    ],
    [
      'a row lies below the first',
      (source) =>
        source.rows.unshift(row(-5n, 9n, 1n)) && source.counters.push({ storeId: 9n, firstNumber: 1n, lastNumber: 1n }),
      ['mismatch -5: order_id -5 lies below the first of its sequence, 1'],
    ],
    [
      'a run covers the next row',
      (source) => change(source, 4n, { count: 3n }),
      [
        'overlap 6: more than one row covers order_id 6',
        'overlap 7 104: more than one row covers order_number 104 of store 7',
      ],
    ],
    [
      'a run covers all of the next two rows',
      (source) => change(source, 2n, { count: 4n }),
      [
        'overlap 3: more than one row covers order_id 3',
        'overlap 4-5: more than one row covers order_id 4 to 5',
        'overlap 8 101: more than one row covers order_number 101 of store 8',
        'overlap 8 102: more than one row covers order_number 102 of store 8',
        'overlap 8 103: more than one row covers order_number 103 of store 8',
      ],
    ],
    [
      'a run covers the first number of the next run',
      (source) => change(source, 3n, { count: 2n }),
      [
        'overlap 4: more than one row covers order_id 4',
        'overlap 7 102: more than one row covers order_number 102 of store 7',
      ],
    ],
    [
      'a run has no number',
      (source) => change(source, 3n, { count: 0n }),
      [
        'hole 3: order_id 3',
        'hole 7 101: order_number 101 of store 7',
        'mismatch 3: a row at order_id 3 has the count 0',
        'mismatch 7 101: a row at order_number 101 of store 7 has the count 0',
      ],
    ],
    [
      'two rows begin at the first number',
      (source) => change(source, 2n, { orderId: 1n }),
      ['hole 2: order_id 2', 'overlap 1: more than one row covers order_id 1'],
    ],
    [
      'create_time falls',
      (source) => change(source, 4n, { createTimeMs: 2999n }),
      ['mismatch 4: create_time falls at order_id 4, from 3000 to 2999 ms'],
    ],
    [
      'create_time falls, in a store that is read again',
      (source) => {
        without(source, 3n);
        change(source, 4n, { createTimeMs: 500n });
      },
      [
        'hole 3: order_id 3',
        'hole 7 101: order_number 101 of store 7',
        'mismatch 4: create_time falls at order_id 4, from 2000 to 500 ms',
      ],
    ],
    [
      'create_time falls for two rows',
      (source) => change(source, 6n, { createTimeMs: 9000n }),
      [
        'mismatch 7: create_time falls at order_id 7, from 9000 to 7000 ms',
        'mismatch 8: create_time falls at order_id 8, from 9000 to 8000 ms',
      ],
    ],
    ['create_time stands still', (source) => change(source, 4n, { createTimeMs: 3000n }), IN_ORDER],
    ['create_time is below 0', (source) => change(source, 1n, { createTimeMs: -(2n ** 63n) }), IN_ORDER],
  ])('%s', expectFindings);

  it('a good ledger may begin at any order_id', async () => {
    const all = await events((source) => {
      source.ledger = { ...source.ledger, firstOrderId: 11n, lastOrderId: 22n, end: 22n };
      source.rows = source.rows.map((one) => ({ ...one, orderId: one.orderId + 10n }));
    });
    expect(all.at(-1)).toMatchObject({ ok: true, asOfOrderId: 22n });
    expect(all).toContainEqual({ kind: 'sequence', storeId: undefined, first: 11n, last: 22n, count: 12n });
  });
});

const unread = (lastNumber: bigint) => (source: MemorySource) => {
  source.readsRowsEnd = false;
  Object.assign(source.counters[0]!, { lastNumber });
  source.counters.push({ storeId: 9n, firstNumber: 50n, lastNumber: 49n });
};

function growLater(source: MemorySource): void {
  without(source, 3n);
  source.rows.push({ ...row(13n, 7n, 200n), count: -1n });
  source.readsRowsEnd = false;
}

describe('the numbers of a store', () => {
  const hole = 'hole 7 101: order_number 101 of store 7';
  it.each<Damage>([
    [
      'two are exchanged',
      (source) => {
        change(source, 7n, { orderNumber: 105n });
        change(source, 9n, { orderNumber: 104n });
      },
      [
        'mismatch 7 105: order_number 105 of store 7 has order_id 7, and the number before it 9: they do not rise together',
      ],
    ],
    [
      'one is far above',
      (source) => change(source, 3n, { orderNumber: 5000n }),
      [
        'hole 7 106-4999: order_number 106 to 4999 of store 7',
        hole,
        'mismatch 7 106-5000: the counter of store 7 is at 105, but its rows end at 5000',
        'mismatch 7 5000: order_number 5000 of store 7 has order_id 3, and the number before it 9: they do not rise together',
      ],
    ],
    [
      'one is below the first',
      (source) => change(source, 1n, { orderNumber: 99n }),
      [
        'hole 7 100: order_number 100 of store 7',
        'mismatch 7 99: order_number 99 of store 7 lies below the first of its sequence, 100',
      ],
    ],
    [
      'the first number is another one',
      ({ counters }) => Object.assign(counters[1]!, { firstNumber: 99n }),
      ['hole 8 99: order_number 99 of store 8'],
    ],
    [
      'the counter is behind',
      ({ counters }) => Object.assign(counters[0]!, { lastNumber: 104n }),
      ['mismatch 7 105: the counter of store 7 is at 104, but its rows end at 105'],
    ],
    [
      'the counter is ahead',
      ({ counters }) => Object.assign(counters[0]!, { lastNumber: 107n }),
      ['mismatch 7 106-107: the counter of store 7 is at 107, but its rows end at 105: no row covers 106 to 107'],
    ],
    [
      'its last row is missing',
      (source) => without(source, 10n),
      [
        'hole 10-12: order_id 10 to 12',
        'mismatch 8 103-105: the counter of store 8 is at 105, but its rows end at 102: no row covers 103 to 105',
      ],
    ],
    [
      'its last run has no number',
      (source) => change(source, 10n, { count: 0n }),
      [
        'hole 10-12: order_id 10 to 12',
        'mismatch 10: a row at order_id 10 has the count 0',
        'mismatch 8 103-105: the counter of store 8 is at 105, but its rows end at 102: no row covers 103 to 105',
        'mismatch 8 103: a row at order_number 103 of store 8 has the count 0',
      ],
    ],
    [
      'a store has a loss and no counter',
      (source) => {
        source.counters.pop();
        source.losses = [{ storeId: 8n, first: 106n, last: 106n }];
      },
      ['mismatch 8 105: store 8 has rows or declared losses but no counter'],
    ],
    [
      'a store has no counter',
      ({ counters }) => counters.pop(),
      ['mismatch 8 105: store 8 has rows or declared losses but no counter'],
    ],
    [
      'a store has a counter and no rows',
      ({ counters }) => counters.push({ storeId: 9n, firstNumber: 50n, lastNumber: 49n }),
      IN_ORDER,
    ],
    [
      'a store has a counter that moved, and no rows',
      ({ counters }) => counters.push({ storeId: 9n, firstNumber: 50n, lastNumber: 50n }),
      ['mismatch 9 50: the counter of store 9 is at 50, but its rows end at 49: no row covers 50 to 50'],
    ],
  ])('%s', expectFindings);

  it('a store without rows is a sequence without numbers', async () => {
    const all = await events(({ counters }) => counters.push({ storeId: 9n, firstNumber: 50n, lastNumber: 49n }));
    const empty = { kind: 'sequence', storeId: 9n, first: 50n, last: 49n, count: 0n };
    expect(all).toContainEqual(empty);
    expect(
      await events(({ counters }) => counters.push({ storeId: 9n, firstNumber: 50n, lastNumber: 49n }), 9n),
    ).toContainEqual(empty);
  });

  it('are read up to the end, and with the row that is the end', async () => {
    const all = await events((source) => {
      without(source, 6n);
      source.rows.push(row(13n, 8n, 106n));
      Object.assign(source.counters[1]!, { lastNumber: 106n });
      endAt(source, 13n);
    });
    expect(findingsOf(all)).toEqual(['hole 6: order_id 6', 'hole 8 101: order_number 101 of store 8']);
    expect(all).toContainEqual({ kind: 'sequence', storeId: 8n, first: 100n, last: 106n, count: 6n });
  });

  it('whose end is not read may have more rows by now, but not fewer than its counter', async () => {
    expect(findingsOf(await events(unread(105n)))).toEqual([]);
    expect(findingsOf(await events(unread(110n)))).toEqual([]);
    expect(findingsOf(await events(unread(104n)))).toEqual([
      'mismatch 7 105: the counter of store 7 is at 104, but its rows end at 105',
    ]);
  });

  it('that came after the reading began are not verified', async () => {
    expect(findingsOf(await events(growLater))).toEqual(['hole 3: order_id 3', hole]);
    expect(findingsOf(await events(growLater, 7n))).toEqual([hole]);
  });

  it.each<Damage>([
    ['a row is missing', (source) => without(source, 3n), [hole]],
    [
      'create_time falls',
      (source) => change(source, 4n, { createTimeMs: 2999n }),
      ['mismatch 7 102: create_time falls at order_number 102 of store 7'],
    ],
    ['create_time stands still', (source) => change(source, 4n, { createTimeMs: 3000n }), IN_ORDER],
    [
      'two numbers are exchanged, and create_time falls with them',
      (source) => {
        change(source, 7n, { orderNumber: 105n });
        change(source, 9n, { orderNumber: 104n });
      },
      [
        'mismatch 7 105: order_number 105 of store 7 has order_id 7, and the number before it 9: they do not rise together',
      ],
    ],
    [
      'an order_id is there twice',
      (source) => change(source, 9n, { orderId: 7n }),
      [
        'mismatch 7 105: order_number 105 of store 7 has order_id 7, and the number before it 7: they do not rise together',
      ],
    ],
    [
      'the counter is gone',
      ({ counters }) => counters.shift(),
      ['mismatch 7 105: store 7 has rows or declared losses but no counter'],
    ],
    ['another store is damaged', (source) => without(source, 6n), IN_ORDER],
  ])('that are verified alone: %s', async (_name, damage, expected) => {
    expect(findingsOf(await events(damage, 7n))).toEqual(expected.toSorted());
  });
});

type Damage = readonly [name: string, damage: (source: MemorySource) => unknown, findings: readonly string[]];

async function expectFindings(...[, damage, expected]: Damage): Promise<void> {
  expect(findingsOf(await events(damage))).toEqual(expected.toSorted());
}

function without(source: MemorySource, orderId: bigint): void {
  source.rows = source.rows.filter((one) => one.orderId !== orderId);
}

function change(source: MemorySource, orderId: bigint, changes: Partial<PassRow>): void {
  source.rows = source.rows.map((one) => (one.orderId === orderId ? { ...one, ...changes } : one));
}

function endAt(source: MemorySource, lastOrderId: bigint): void {
  source.ledger = { ...source.ledger, lastOrderId, end: lastOrderId };
}
