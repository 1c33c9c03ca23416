import { describe, expect, it } from 'vitest';
import type { VerifiedLedger } from '../../support/ledgers/verified-ledger.ts';
import { findingsOf, inOrder, POSTGRES, RUNS, SQLITE } from '../../support/ledgers/verified-ledger.ts';

type Finding = readonly [kind: string, storeId: bigint | undefined, first: bigint, last: bigint];

/** Damage done past the server, and the findings of a verification. */
interface Damage {
  readonly name: string;
  readonly sql: string;
  readonly findings: readonly Finding[];
  /** Additional findings on PostgreSQL, whose indexes are checked more closely. */
  readonly onlyPostgres?: readonly Finding[];
}

const LEAST = -(2n ** 63n);
/** Allows an order_id that the tables forbid. */
const UNCHECKED = 'PRAGMA ignore_check_constraints = ON';

const DAMAGES: readonly Damage[] = [
  {
    name: 'a row in the middle is deleted',
    sql: 'DELETE FROM allocations WHERE order_id = 3',
    findings: [
      ['hole', undefined, 3n, 3n],
      ['hole', 7n, 101n, 101n],
    ],
  },
  {
    name: 'a run is deleted',
    sql: 'DELETE FROM allocations WHERE order_id = 4',
    findings: [
      ['hole', undefined, 4n, 5n],
      ['hole', 7n, 102n, 103n],
    ],
  },
  {
    name: 'the last row is deleted',
    sql: 'DELETE FROM allocations WHERE order_id = 10',
    findings: [
      ['hole', undefined, 10n, 12n],
      ['mismatch', 8n, 103n, 105n],
    ],
  },
  {
    name: 'an order_number is changed to one that is free',
    sql: 'UPDATE allocations SET order_number = 5000 WHERE order_id = 3',
    findings: [
      ['mismatch', 7n, 106n, 5000n],
      ['mismatch', 7n, 5000n, 5000n],
      ['hole', 7n, 101n, 101n],
      ['hole', 7n, 106n, 4999n],
    ],
  },
  {
    name: 'two order_numbers are exchanged',
    sql: 'UPDATE allocations SET order_number = 999 WHERE order_id = 7; UPDATE allocations SET order_number = 104 WHERE order_id = 9; UPDATE allocations SET order_number = 105 WHERE order_id = 7',
    findings: [['mismatch', 7n, 105n, 105n]],
  },
  {
    name: 'an order_id is moved above the counter',
    sql: 'UPDATE allocations SET order_id = 20 WHERE order_id = 9',
    findings: [
      ['mismatch', undefined, 13n, 13n],
      ['hole', undefined, 9n, 9n],
    ],
  },
  {
    name: 'an order_id is the least of 64 bits',
    sql: `${UNCHECKED}; UPDATE allocations SET order_id = -9223372036854775808 WHERE order_id = 1`,
    findings: [
      ['mismatch', undefined, LEAST, LEAST],
      ['hole', undefined, 1n, 1n],
    ],
  },
  {
    name: 'a row is added at the least order_id',
    sql: `${UNCHECKED}; INSERT INTO allocations (order_id, store_id, order_number, count, request_id,
      create_time_ms, prefix, suffix, min_digits) VALUES (-9223372036854775808, 99, 100, 1, 'x', 0, '', '', 0)`,
    findings: [
      ['mismatch', undefined, LEAST, LEAST],
      ['mismatch', 99n, 100n, 100n],
    ],
  },
  {
    name: 'an order_number is the least of 64 bits',
    sql: 'UPDATE allocations SET order_number = -9223372036854775808 WHERE order_id = 1',
    findings: [
      ['mismatch', 7n, LEAST, LEAST],
      ['hole', 7n, 100n, 100n],
    ],
  },
  {
    name: 'a run is made longer',
    sql: 'UPDATE allocations SET count = 3 WHERE order_id = 4',
    findings: [
      ['overlap', undefined, 6n, 6n],
      ['overlap', 7n, 104n, 104n],
    ],
  },
  {
    name: 'the counter of order_ids is ahead',
    sql: 'UPDATE ledger SET last_order_id = 15',
    findings: [['hole', undefined, 13n, 15n]],
  },
  {
    name: "a store's counter is behind",
    sql: 'UPDATE stores SET last_number = 104 WHERE store_id = 7',
    findings: [['mismatch', 7n, 105n, 105n]],
  },
  {
    name: "a store's counter is ahead",
    sql: 'UPDATE stores SET last_number = 110 WHERE store_id = 7',
    findings: [['mismatch', 7n, 106n, 110n]],
  },
  {
    name: "a store's first number is changed",
    sql: 'UPDATE stores SET first_number = 99 WHERE store_id = 8',
    findings: [['hole', 8n, 99n, 99n]],
  },
  {
    name: 'a store lost its counter',
    sql: 'DELETE FROM stores WHERE store_id = 8',
    findings: [['mismatch', 8n, 105n, 105n]],
  },
  {
    name: 'create_time falls',
    sql: 'UPDATE allocations SET create_time_ms = create_time_ms - 100000 WHERE order_id = 7',
    findings: [['mismatch', undefined, 7n, 7n]],
  },
  {
    name: 'a request_id is there twice, its index gone',
    sql: "DROP INDEX allocations_by_request_id; UPDATE allocations SET request_id = 'r1' WHERE order_id = 3",
    findings: [['mismatch', undefined, 1n, 12n]],
  },
  {
    name: 'a request_id is there twice, under an index that allows it',
    sql: `DROP INDEX allocations_by_request_id; UPDATE allocations SET request_id = 'r1' WHERE order_id IN (1, 3);
       CREATE INDEX allocations_by_request_id ON allocations (request_id, store_id)`,
    findings: [['mismatch', 7n, 1n, 3n]],
    onlyPostgres: [['mismatch', undefined, 1n, 12n]],
  },
];

describe.each([SQLITE, POSTGRES])('$name', (engine) => {
  it('nothing is found before any damage', async () => {
    const ledger = await engine.newLedger(RUNS);
    expect(await findings(ledger)).toEqual([]);
  });

  it.each(DAMAGES)('is named exactly: $name', async ({ sql, findings: expected, onlyPostgres = [] }) => {
    const ledger = await engine.newLedger(RUNS);
    await ledger.damage(sql);
    const events = await ledger.verify();
    const all = engine === POSTGRES ? [...expected, ...onlyPostgres] : expected;
    expect(findingsOf(events)).toEqual(inOrder(all));
    expect(events.at(-1)).toMatchObject({ kind: 'verdict', ok: false, findings: BigInt(all.length) });
  });

  it('P1 P2: a ledger whose sequences are exhausted verifies', async () => {
    const ledger = await engine.newLedger([[7n, 3]], 2n ** 63n - 3n);
    expect((await ledger.verify()).at(-1)).toMatchObject({ kind: 'verdict', ok: true, findings: 0n });
    await ledger.damage(
      `UPDATE allocations SET order_id = 9223372036854775805; UPDATE ledger SET first_order_id = 9223372036854775805,
       last_order_id = 9223372036854775807`,
    );
    expect((await ledger.verify()).at(-1)).toMatchObject({ kind: 'verdict', ok: true, asOfOrderId: 2n ** 63n - 1n });
    expect((await ledger.verify(7n)).at(-1)).toMatchObject({ kind: 'verdict', ok: true, rows: 1n });
  });

  it.each([
    ['on rows', '(NULL, 2, 3, 0)', [undefined, 1n, 12n]],
    ['beyond the end', '(NULL, 20, 30, 0)', [undefined, 1n, 12n]],
    ['on rows of a store', '(7, 101, 102, 0)', [7n, 100n, 105n]],
    ['beyond the end of a store', '(8, 200, 201, 0)', [8n, 100n, 105n]],
    ['right behind the end of a store', '(8, 106, 110, 0)', [8n, 100n, 105n]],
    ['in a store that is not there', '(99, 100, 101, 0)', [99n, 0n, 0n]],
  ])('a loss declared %s is named', async (_name, row, [storeId, first, last]) => {
    const ledger = await engine.newLedger(RUNS);
    await ledger.damage(`INSERT INTO declared_losses VALUES ${row}`);
    for (const scope of new Set([undefined, storeId])) {
      expect(findingsOf(await ledger.verify(scope))).toEqual([['mismatch', storeId, first, last]]);
    }
  });

  it('a declared loss is reported apart from findings', async () => {
    const ledger = await engine.newLedger(RUNS);
    await ledger.damage(
      `DELETE FROM allocations WHERE order_id >= 9; UPDATE stores SET last_number = 108 WHERE store_id = 7;
       UPDATE stores SET last_number = 106 WHERE store_id = 8; UPDATE ledger SET last_order_id = 12;
       INSERT INTO declared_losses VALUES (NULL, 9, 12, 0), (7, 105, 108, 0), (8, 103, 106, 0)`,
    );
    const events = await ledger.verify();
    expect(findingsOf(events)).toEqual([]);
    expect(events.filter(({ kind }) => kind === 'declaredLoss')).toEqual([
      { kind: 'declaredLoss', storeId: undefined, first: 9n, last: 12n },
      { kind: 'declaredLoss', storeId: 7n, first: 105n, last: 108n },
      { kind: 'declaredLoss', storeId: 8n, first: 103n, last: 106n },
    ]);
    expect(events.filter(({ kind }) => kind === 'sequence')).toMatchObject([
      { storeId: undefined, first: 1n, last: 12n, count: 8n },
      { storeId: 7n, first: 100n, last: 108n, count: 5n },
      { storeId: 8n, first: 100n, last: 106n, count: 3n },
    ]);
    expect(events.at(-1)).toMatchObject({ kind: 'verdict', ok: true });
  });

  it('a hole beside a declared loss is still a hole', async () => {
    const ledger = await engine.newLedger(RUNS);
    await ledger.damage(
      `DELETE FROM allocations WHERE order_id IN (3, 4);
       INSERT INTO declared_losses VALUES (NULL, 4, 5, 0), (7, 102, 103, 0)`,
    );
    expect(await findings(ledger)).toEqual([
      ['hole', undefined, 3n, 3n],
      ['hole', 7n, 101n, 101n],
    ]);
  });

  it('a single store is verified by its numbers', async () => {
    const ledger = await engine.newLedger(RUNS);
    await ledger.damage('DELETE FROM allocations WHERE order_id = 3');
    expect((await ledger.verify(8n)).at(-1)).toMatchObject({ kind: 'verdict', ok: true, rows: 4n, sequences: 1n });
    expect(findingsOf(await ledger.verify(7n))).toEqual([['hole', 7n, 101n, 101n]]);
  });

  it('a single store that has rows and no counter is named', async () => {
    const ledger = await engine.newLedger(RUNS);
    await ledger.damage('DELETE FROM stores WHERE store_id = 8');
    expect(findingsOf(await ledger.verify(8n))).toEqual([['mismatch', 8n, 105n, 105n]]);
    expect((await ledger.verify(99n)).at(-1)).toMatchObject({ kind: 'verdict', ok: true, rows: 0n });
  });
});

async function findings(ledger: VerifiedLedger) {
  return findingsOf(await ledger.verify());
}
