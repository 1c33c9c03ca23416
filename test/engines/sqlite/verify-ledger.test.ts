import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import { makeLedger } from '../../../bench/make-ledger.ts';
import { verifyLedgerFile } from '../../../src/engines/sqlite/verify-file.ts';
import type { VerifyEvent } from '../../../src/verification.ts';
import { GrpcClient } from '../../support/grpc-client.ts';
import { requireTools, toolPath } from '../../support/required-tool.ts';
import { ServerProcess, testFolder } from '../../support/server-process.ts';

/** A damage done past the server, and what a verification has to say of it: [kind, storeId, first, last]. */
type Damage = readonly [
  name: string,
  sql: string,
  findings: readonly (readonly [kind: string, storeId: bigint | undefined, first: bigint, last: bigint])[],
];

// The ledger: order_ids 1..12; store 7 has 100..105 (1, 3, 4-5, 7, 9) and store 8 has 100..105 (2, 6, 8, 10-12).
const RUNS = [
  [7n, 1],
  [8n, 1],
  [7n, 1],
  [7n, 2],
  [8n, 1],
  [7n, 1],
  [8n, 1],
  [7n, 1],
  [8n, 3],
] as const;

const DAMAGES: readonly Damage[] = [
  [
    'a row in the middle is deleted',
    'DELETE FROM allocations WHERE order_id = 3',
    [
      ['hole', undefined, 3n, 3n],
      ['hole', 7n, 101n, 101n],
    ],
  ],
  [
    'a run is deleted',
    'DELETE FROM allocations WHERE order_id = 4',
    [
      ['hole', undefined, 4n, 5n],
      ['hole', 7n, 102n, 103n],
    ],
  ],
  [
    'the last row is deleted',
    'DELETE FROM allocations WHERE order_id = 10',
    [
      ['hole', undefined, 10n, 12n],
      ['mismatch', 8n, 103n, 105n],
    ],
  ],
  [
    'an order_number is changed to one that is free',
    'UPDATE allocations SET order_number = 5000 WHERE order_id = 3',
    [
      ['mismatch', 7n, 106n, 5000n],
      ['mismatch', 7n, 5000n, 5000n],
      ['hole', 7n, 101n, 101n],
      ['hole', 7n, 106n, 4999n],
    ],
  ],
  [
    'two order_numbers are exchanged',
    'UPDATE allocations SET order_number = 999 WHERE order_id = 7; UPDATE allocations SET order_number = 104 WHERE order_id = 9; UPDATE allocations SET order_number = 105 WHERE order_id = 7',
    [['mismatch', 7n, 105n, 105n]],
  ],
  [
    'an order_id is moved above the counter',
    'UPDATE allocations SET order_id = 20 WHERE order_id = 9',
    [
      ['mismatch', undefined, 13n, 13n],
      ['hole', undefined, 9n, 9n],
    ],
  ],
  [
    'a run is made longer',
    'UPDATE allocations SET count = 3 WHERE order_id = 4',
    [
      ['overlap', undefined, 6n, 6n],
      ['overlap', 7n, 104n, 104n],
    ],
  ],
  ['the counter of order_ids is ahead', 'UPDATE ledger SET last_order_id = 15', [['hole', undefined, 13n, 15n]]],
  [
    "a store's counter is behind",
    'UPDATE stores SET last_number = 104 WHERE store_id = 7',
    [['mismatch', 7n, 105n, 105n]],
  ],
  [
    "a store's counter is ahead",
    'UPDATE stores SET last_number = 110 WHERE store_id = 7',
    [['mismatch', 7n, 106n, 110n]],
  ],
  [
    "a store's first number is changed",
    'UPDATE stores SET first_number = 99 WHERE store_id = 8',
    [['hole', 8n, 99n, 99n]],
  ],
  ['a store lost its counter', 'DELETE FROM stores WHERE store_id = 8', [['mismatch', 8n, 105n, 105n]]],
  [
    'create_time falls',
    'UPDATE allocations SET create_time_ms = create_time_ms - 100000 WHERE order_id = 7',
    [['mismatch', undefined, 7n, 7n]],
  ],
  [
    'a request_id is there twice, its index gone',
    "DROP INDEX allocations_by_request_id; UPDATE allocations SET request_id = 'r1' WHERE order_id = 3",
    [['mismatch', undefined, 1n, 12n]],
  ],
  [
    'a request_id is there twice, under an index that allows it',
    "DROP INDEX allocations_by_request_id; UPDATE allocations SET request_id = 'r1' WHERE order_id IN (1, 3); CREATE INDEX allocations_by_request_id ON allocations (request_id, store_id)",
    [['mismatch', 7n, 1n, 3n]],
  ],
];

it.each(DAMAGES)('%s: named exactly', async (_name, sql, expected) => {
  const path = await newLedger();
  expect(await findings(path)).toEqual([]);
  damage(path, sql);
  const events = await verify(path);
  expect(events.flatMap(toFinding).toSorted(byText)).toEqual([...expected].toSorted(byText));
  expect(events.at(-1)).toMatchObject({ kind: 'verdict', ok: false, findings: BigInt(expected.length) });
});

it('P1 P2: a ledger whose sequences are used up verifies', async () => {
  const path = join(testFolder(), 'orders.db');
  const server = new ServerProcess(path);
  const client = new GrpcClient(await server.serving());
  await client.createStore({ storeId: 7n, firstNumber: 2n ** 63n - 3n });
  await client.allocate(7n, 3);
  const events = await client.verify();
  expect(events.at(-1)).toMatchObject({ $case: 'verdict', value: { ok: true, findings: 0n } });
  await server.stop();
  damage(
    path,
    `UPDATE allocations SET order_id = 9223372036854775805; UPDATE ledger SET first_order_id = 9223372036854775805,
     last_order_id = 9223372036854775807`,
  );
  expect((await verify(path)).at(-1)).toMatchObject({ kind: 'verdict', ok: true, asOfOrderId: 2n ** 63n - 1n });
});

it.each([
  ['on rows', '(NULL, 2, 3, 0)', [undefined, 1n, 12n]],
  ['beyond the end', '(NULL, 20, 30, 0)', [undefined, 1n, 12n]],
  ['on rows of a store', '(7, 101, 102, 0)', [7n, 100n, 105n]],
  ['beyond the end of a store', '(8, 200, 201, 0)', [8n, 100n, 105n]],
  ['in a store that is not there', '(99, 100, 101, 0)', [99n, 0n, 0n]],
])('a loss that was declared %s is named', async (_name, row, [storeId, first, last]) => {
  const path = await newLedger();
  damage(path, `INSERT INTO declared_losses VALUES ${row}`);
  expect(await findings(path)).toEqual([['mismatch', storeId, first, last]]);
});

it('P2: a row that the index of order_numbers does not have is named', async (test) => {
  requireTools(test, 'sqlite3');
  const path = await newLedger();
  // Only the shell may write a schema that lies.
  execFileSync(toolPath('sqlite3'), [
    path,
    `CREATE TABLE kept AS SELECT sql FROM sqlite_schema WHERE name = 'allocations_by_order_number';
     DROP INDEX allocations_by_order_number;
     CREATE UNIQUE INDEX allocations_by_order_number ON allocations (store_id, order_number) WHERE order_id <> 3;
     PRAGMA writable_schema = ON;
     UPDATE sqlite_schema SET sql = (SELECT sql FROM kept) WHERE name = 'allocations_by_order_number';`,
  ]);
  expect(await findings(path)).toEqual([['mismatch', 7n, 1n, 5n]]);
});

it('a loss declared for each of very many stores does not make it slow', async () => {
  const path = join(testFolder(), 'orders.db');
  makeLedger(path, { rows: 60_000, stores: 30_000 });
  damage(
    path,
    `INSERT INTO declared_losses SELECT store_id, last_number + 1, last_number + 5, 0 FROM stores;
     UPDATE stores SET last_number = last_number + 5`,
  );
  const events = await verify(path);
  expect(events.at(-1)).toMatchObject({ kind: 'verdict', ok: true, sequences: 30_001n });
  expect(events.filter(({ kind }) => kind === 'declaredLoss')).toHaveLength(30_000);
});

it('what was declared as lost is told apart, and is no finding', async () => {
  const path = await newLedger();
  damage(
    path,
    `DELETE FROM allocations WHERE order_id >= 9; UPDATE stores SET last_number = 108 WHERE store_id = 7;
     UPDATE stores SET last_number = 106 WHERE store_id = 8; UPDATE ledger SET last_order_id = 12;
     INSERT INTO declared_losses VALUES (NULL, 9, 12, 0), (7, 105, 108, 0), (8, 103, 106, 0)`,
  );
  const events = await verify(path);
  expect(events.flatMap(toFinding)).toEqual([]);
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
  const path = await newLedger();
  damage(
    path,
    `DELETE FROM allocations WHERE order_id IN (3, 4);
     INSERT INTO declared_losses VALUES (NULL, 4, 5, 0), (7, 102, 103, 0)`,
  );
  expect(await findings(path)).toEqual([
    ['hole', undefined, 3n, 3n],
    ['hole', 7n, 101n, 101n],
  ]);
});

it('one store alone is verified by its numbers', async () => {
  const path = await newLedger();
  damage(path, 'DELETE FROM allocations WHERE order_id = 3');
  expect((await verify(path, 8n)).at(-1)).toMatchObject({ kind: 'verdict', ok: true, rows: 4n, sequences: 1n });
  const events = await verify(path, 7n);
  expect(events.flatMap(toFinding)).toEqual([['hole', 7n, 101n, 101n]]);
});

it('a ledger that grows meanwhile is verified up to the end it had, by the server and past it', async () => {
  const path = join(testFolder(), 'orders.db');
  const server = new ServerProcess(path);
  const client = new GrpcClient(await server.serving());
  const done = new AbortController();
  const load = Array.from({ length: 8 }, async (_, i) => {
    while (!done.signal.aborted) await client.allocate(BigInt((i % 3) + 1), i + 1);
  });
  for (let round = 0; round < 10; round++) {
    const events = await client.verify();
    const verdict = events.at(-1);
    expect(verdict?.$case === 'verdict' && verdict.value.ok).toBe(true);
    expect(events.filter((event) => event?.$case === 'finding')).toEqual([]);
    expect((await verify(path)).at(-1)).toMatchObject({ kind: 'verdict', ok: true });
  }
  done.abort();
  await Promise.all(load);
});

it('a file that is not there is named, and not made', async () => {
  const path = join(testFolder(), 'none.db');
  expect(() => verifyLedgerFile(path, undefined)).toThrow(/none\.db is not there/);
});

async function newLedger(): Promise<string> {
  const path = join(testFolder(), 'orders.db');
  const server = new ServerProcess(path);
  const client = new GrpcClient(await server.serving());
  for (const [i, [storeId, count]] of RUNS.entries()) await client.allocate(storeId, count, `r${i}`);
  expect(await server.stop()).toBe(0);
  return path;
}

function damage(path: string, sql: string): void {
  const db = new Database(path);
  db.exec(sql);
  db.close();
}

async function verify(path: string, storeId?: bigint): Promise<VerifyEvent[]> {
  const events: VerifyEvent[] = [];
  for await (const event of verifyLedgerFile(path, storeId)) events.push(event);
  return events;
}

async function findings(path: string) {
  return (await verify(path)).flatMap(toFinding);
}

function toFinding(event: VerifyEvent) {
  if (event.kind !== 'hole' && event.kind !== 'overlap' && event.kind !== 'mismatch') return [];
  return [[event.kind, event.storeId, event.first, event.last] as const];
}

function byText(a: readonly unknown[], b: readonly unknown[]): number {
  return String(a) < String(b) ? -1 : 1;
}
