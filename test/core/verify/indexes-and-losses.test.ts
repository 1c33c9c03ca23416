import { describe, expect, it } from 'vitest';
import { Losses } from '../../../src/core/verify/declared-losses.ts';
import { pagesOf, requireProgress } from '../../../src/core/verify/verify-source.ts';
import { all as readAll, events, findingsOf, type MemorySource } from './memory-source.ts';

type Damage = readonly [name: string, damage: (source: MemorySource) => unknown, findings: readonly string[]];

const FEWER = 'mismatch 9 1-0: the index of order_numbers has';

describe('an index', () => {
  it.each<Damage>([
    [
      'that is missing is named, and not read',
      (source) => {
        source.damagedIndexes = {
          faults: [{ name: 'by_number', fault: 'is missing' }],
          byOrderNumber: false,
          byRequestId: false,
        };
      },
      ['mismatch 1-12: the index by_number is missing'],
    ],
    [
      'of another kind is named',
      (source) => (source.indexFaults = () => [{ name: 'of the log', fault: 'lacks an entry' }]),
      ['mismatch 1-12: the index of the log lacks an entry'],
    ],
    [
      'of request_ids has a request_id twice, and entries on several pages',
      (source) => {
        const repeated = [{ storeId: 7n, requestId: 'r', rows: 2n, least: 1n, greatest: 3n }];
        source.requestIdPages = [
          { repeated, entries: 4n, misplaced: undefined },
          { repeated: [], entries: 5n, misplaced: undefined },
        ];
      },
      ['mismatch 7 1-3: duplicate request_id r of store 7: 2 rows, from order_id 1 to 3'],
    ],
    [
      'of request_ids has too few entries',
      (source) => (source.requestIdPages = [{ repeated: [], entries: 8n, misplaced: 0n }]),
      ['mismatch 1-12: the index of request_ids has 8 entries for 9 rows'],
    ],
    [
      'of request_ids has entries of other rows',
      (source) => {
        source.requestIdPages = [
          { repeated: [], entries: 4n, misplaced: 1n },
          { repeated: [], entries: 5n, misplaced: 2n },
        ];
      },
      ['mismatch 1-12: the index of request_ids has 3 entries that differ from their rows'],
    ],
    [
      'of order_numbers has too many entries, on several pages',
      (source) => {
        const more = { storeId: 7n, entries: 1n, misplaced: undefined };
        source.strayEntries = [more, more];
      },
      ['mismatch 7 1-5: the index of order_numbers has 7 entries for 5 rows of store 7'],
    ],
    [
      'of order_numbers has entries of a store without rows, on several pages',
      (source) => {
        source.counters.push({ storeId: 9n, firstNumber: 1n, lastNumber: 0n });
        const stray = { storeId: 9n, entries: 2n, misplaced: undefined };
        source.strayEntries = [stray, stray];
      },
      [`${FEWER} 4 entries for 0 rows of store 9`],
    ],
    [
      'of order_numbers has entries of other rows',
      (source) => {
        source.counters.push({ storeId: 9n, firstNumber: 1n, lastNumber: 0n });
        source.strayEntries = [
          { storeId: 9n, entries: 2n, misplaced: 1n },
          { storeId: 7n, entries: 0n, misplaced: 0n },
        ];
      },
      [
        `${FEWER} 2 entries for 0 rows of store 9`,
        'mismatch 9 1-2: the index of order_numbers has 1 entries of store 9 that differ from their rows',
      ],
    ],
  ])('%s', async (_name, damage, expected) => {
    expect(findingsOf(await events(damage))).toEqual(expected.toSorted());
  });

  it('of order_numbers is read page by page', async () => {
    const pages = (await events((source) => (source.strayEntries = []))).filter(({ kind }) => kind === 'progress');
    const more = (
      await events((source) => (source.strayEntries = [{ storeId: 7n, entries: 0n, misplaced: undefined }]))
    ).filter(({ kind }) => kind === 'progress');
    expect(more).toHaveLength(pages.length + 1);
  });
});

function loseTheEnd(source: MemorySource): void {
  source.rows = source.rows.filter(({ orderId }) => orderId < 9n);
  source.losses = [
    lost(null, 9n, 10n),
    lost(null, 11n, 12n),
    lost(7n, 105n, 105n),
    lost(8n, 103n, 104n),
    lost(8n, 105n, 105n),
  ];
}

function holesOf(first: bigint, last: bigint): string[] {
  const losses = new Losses([lost(7n, 5n, 6n), lost(7n, 10n, 12n)], 7n);
  return losses.undeclared({ storeId: 7n, first, last }).map((hole) => [hole.storeId, hole.first, hole.last].join(' '));
}

describe('declared losses', () => {
  const onRows = 'the losses lie on rows or beyond the end';
  it.each<Damage>([
    [
      'fill holes',
      (source) => {
        source.rows = source.rows.filter(({ orderId }) => orderId < 9n);
        source.losses = [lost(null, 9n, 12n), lost(7n, 105n, 105n), lost(8n, 103n, 105n)];
      },
      [],
    ],
    [
      'fill a part of a hole, and leave the numbers before, between and behind them',
      (source) => {
        source.rows = source.rows.filter(({ orderId }) => orderId !== 10n);
        source.ledger = { ...source.ledger, lastOrderId: 20n, end: 20n };
        source.losses = [lost(null, 11n, 12n), lost(null, 15n, 16n), lost(8n, 103n, 103n)];
      },
      [
        'hole 10: order_id 10',
        'hole 13-14: order_id 13 to 14',
        'hole 17-20: order_id 17 to 20',
        'mismatch 8 104-105: the counter of store 8 is at 105, but its rows end at 102: no row covers 104 to 105',
      ],
    ],
    [
      'lie on rows',
      (source) => (source.losses = [lost(null, 2n, 3n)]),
      [`mismatch 1-12: 12 order_ids have rows and 2 are recorded as lost, of 12: ${onRows}`],
    ],
    [
      'lie on rows of a store',
      (source) => (source.losses = [lost(7n, 101n, 102n)]),
      [`mismatch 7 100-105: 6 order_numbers of store 7 have rows and 2 are recorded as lost, of 6: ${onRows}`],
    ],
    [
      'lie right behind the end of a store',
      (source) => (source.losses = [lost(8n, 106n, 110n)]),
      [`mismatch 8 100-105: 6 order_numbers of store 8 have rows and 5 are recorded as lost, of 6: ${onRows}`],
    ],
    [
      'have a store without a counter',
      (source) => (source.losses = [lost(99n, 1n, 1n)]),
      ['mismatch 99 0: store 99 has rows or declared losses but no counter'],
    ],
    [
      'lie on rows of a store with a hole, which is reported alone',
      (source) => {
        source.rows = source.rows.filter(({ orderId }) => orderId !== 3n);
        source.losses = [lost(7n, 100n, 100n)];
      },
      ['hole 3: order_id 3', 'hole 7 101: order_number 101 of store 7'],
    ],
  ])('%s', async (_name, damage, expected) => {
    expect(findingsOf(await events(damage))).toEqual(expected.toSorted());
  });

  it('are told first, and extend the sequences that they end', async () => {
    const all = await events(loseTheEnd);
    expect(all.slice(0, 5)).toEqual([
      { kind: 'declaredLoss', storeId: undefined, first: 9n, last: 10n },
      { kind: 'declaredLoss', storeId: undefined, first: 11n, last: 12n },
      { kind: 'declaredLoss', storeId: 7n, first: 105n, last: 105n },
      { kind: 'declaredLoss', storeId: 8n, first: 103n, last: 104n },
      { kind: 'declaredLoss', storeId: 8n, first: 105n, last: 105n },
    ]);
    expect(all.filter(({ kind }) => kind === 'sequence')).toEqual([
      { kind: 'sequence', storeId: undefined, first: 1n, last: 12n, count: 8n },
      { kind: 'sequence', storeId: 7n, first: 100n, last: 105n, count: 5n },
      { kind: 'sequence', storeId: 8n, first: 100n, last: 105n, count: 3n },
    ]);
    const alone = await events(loseTheEnd, 8n);
    expect(alone.filter(({ kind }) => kind === 'declaredLoss' || kind === 'sequence')).toEqual([
      { kind: 'declaredLoss', storeId: 8n, first: 103n, last: 104n },
      { kind: 'declaredLoss', storeId: 8n, first: 105n, last: 105n },
      { kind: 'sequence', storeId: 8n, first: 100n, last: 105n, count: 3n },
    ]);
    expect(alone.at(-1)).toMatchObject({ ok: true });
  });

  it('of a store end where they follow its rows, and not behind its counter', () => {
    const losses = new Losses([lost(7n, 5n, 6n), lost(7n, 7n, 8n), lost(7n, 10n, 11n)], undefined);
    expect(losses.endAfter(7n, 4n, 20n)).toBe(8n);
    expect(losses.endAfter(7n, 4n, 8n)).toBe(8n);
    expect(losses.endAfter(7n, 4n, 7n)).toBe(6n);
    expect(losses.endAfter(7n, 4n, 5n)).toBe(4n);
    expect(losses.endAfter(7n, 3n, 20n)).toBe(3n);
    expect(losses.endAfter(8n, 4n, 20n)).toBe(4n);
    expect(losses.stores()).toEqual([7n]);
    expect(new Losses([lost(null, 1n, 1n)], undefined).stores()).toEqual([]);
  });

  it('split a range of missing numbers, wherever they begin and end', () => {
    expect(holesOf(1n, 20n)).toEqual(['7 1 4', '7 7 9', '7 13 20']);
    expect(holesOf(5n, 12n)).toEqual(['7 7 9']);
    expect(holesOf(6n, 10n)).toEqual(['7 7 9']);
    expect(holesOf(7n, 9n)).toEqual(['7 7 9']);
    expect(holesOf(1n, 5n)).toEqual(['7 1 4']);
    expect(holesOf(12n, 13n)).toEqual(['7 13 13']);
    expect(holesOf(5n, 5n)).toEqual([]);
  });
});

async function read(rows: readonly number[], size: number) {
  const asked: number[] = [];
  const reading = pagesOf(
    size,
    0,
    (row: number) => row,
    (after: number) => {
      asked.push(after);
      return rows.filter((one) => one > after).slice(0, size);
    },
  );
  return { pages: await readAll(reading), asked };
}

describe('pages', () => {
  it('are read until one is not full', async () => {
    expect(await read([1, 2, 3, 4, 5], 2)).toEqual({ pages: [[1, 2], [3, 4], [5]], asked: [0, 2, 4] });
    expect(await read([1, 2], 2)).toEqual({ pages: [[1, 2]], asked: [0, 2] });
    expect(await read([], 2)).toEqual({ pages: [], asked: [0] });
  });

  it('that end where they began are damage', async () => {
    const reading = pagesOf(
      1,
      3,
      () => 3,
      () => ['row'],
    );
    expect(await reading.next()).toMatchObject({ value: ['row'] });
    await expect(reading.next()).rejects.toMatchObject({
      reason: 'LEDGER_DAMAGED',
      message: 'the ledger is damaged: what follows 3 leads back to 3',
    });
    expect(() => requireProgress(3, 2)).toThrow('what follows 3 leads back to 2');
    expect(() => requireProgress('a', 'b')).not.toThrow();
  });
});

function lost(storeId: bigint | null, first: bigint, last: bigint) {
  return { storeId, first, last };
}
