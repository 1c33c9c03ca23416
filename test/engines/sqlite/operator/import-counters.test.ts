import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { INT64_MAX } from '../../../../src/core/allocation.ts';
import { openReadConnection, openWriteConnection } from '../../../../src/engines/sqlite/file/connection.ts';
import { takeFence } from '../../../../src/engines/sqlite/file/fence.ts';
import { readMark } from '../../../../src/engines/sqlite/file/high-water-mark.ts';
import type { StoreChange } from '../../../../src/core/move/imported-counters.ts';
import { importCounters, planImport } from '../../../../src/engines/sqlite/operator/import-counters.ts';
import { ImportStaging } from '../../../../src/engines/sqlite/operator/import-staging.ts';
import { locateLedger } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { openLedger } from '../../../../src/engines/sqlite/recovery/open-ledger.ts';
import { assertDense } from '../../../support/ledgers/density.ts';
import { fillLedger, fills, tamper } from '../../../support/ledgers/filled-ledger.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

/** An import that continues with this order_id and these [store_id, next_number]. */
function counters(nextOrderId: bigint, ...stores: readonly (readonly [bigint, bigint])[]) {
  const staging = new ImportStaging();
  onTestFinished(() => staging.close());
  for (const [i, [storeId, nextNumber]] of stores.entries()) staging.add({ storeId, nextNumber }, i + 1);
  return { nextOrderId, stores: staging };
}

function run(path: string, imported: ReturnType<typeof counters>) {
  return importCounters(path, imported, () => {});
}

function plan(path: string, imported: ReturnType<typeof counters>) {
  const changes: StoreChange[] = [];
  const summary = planImport(path, imported, (change) => changes.push(change));
  return { summary, changes };
}

function stateOf(path: string) {
  const db = openReadConnection(path);
  const ledger = db.prepare('SELECT first_order_id, last_order_id FROM ledger').raw().get();
  const stores = db.prepare('SELECT store_id, first_number, last_number FROM stores').raw().all();
  db.close();
  return { ledger, stores };
}

it('P1 P2 P9: an import creates a ledger that continues exactly with the given numbers, and its mark agrees', () => {
  const path = join(testFolder(), 'orders.db');
  const imported = counters(48_211n, [7n, 500n], [INT64_MAX, INT64_MAX], [9007199254740993n, 1n]);
  expect(run(path, imported)).toMatchObject({ nextOrderId: 48_211n, stores: 3, storesMade: 3, storesSet: 0 });
  expect(readdirSync(dirname(path)).toSorted()).toEqual(['orders.db', 'orders.db.lock', 'orders.db.mark']);
  expect(stateOf(path)).toEqual({
    ledger: [48_211n, 48_210n],
    stores: [
      [7n, 500n, 499n],
      [9007199254740993n, 1n, 0n],
      [INT64_MAX, INT64_MAX, INT64_MAX - 1n],
    ],
  });
  expect(readMark(`${path}.mark`)).toMatchObject({ lastOrderId: 48_210n });
  fillLedger(path, { storeId: 7n, requestId: 'first' });
  expect(assertDense(path)).toMatchObject([{ order_id: 48_211n, order_number: 500n }]);
});

it('the last number of both sequences can be imported', () => {
  const path = join(testFolder(), 'orders.db');
  run(path, counters(INT64_MAX, [1n, INT64_MAX]));
  fillLedger(path, { storeId: 1n, requestId: 'last' });
  expect(stateOf(path)).toEqual({ ledger: [INT64_MAX, INT64_MAX], stores: [[1n, INT64_MAX, INT64_MAX]] });
});

it('a plan writes nothing and creates nothing', () => {
  const folder = testFolder();
  const imported = counters(10n, [1n, 200n]);
  const path = join(folder, 'none', 'orders.db');
  expect(plan(path, imported)).toMatchObject({
    summary: { ledgerId: undefined, isNeeded: true, storesMade: 1 },
    changes: [{ storeId: 1n, nextNumber: 200n, change: 'make' }],
  });
  expect(readdirSync(folder)).toEqual([]);

  const { database } = fillLedger(join(folder, 'orders.db'));
  tamper(database, 'PRAGMA journal_mode = DELETE');
  const before = [readFileSync(database), readFileSync(`${database}.mark`)];
  plan(database, imported);
  expect([readFileSync(database), readFileSync(`${database}.mark`)]).toEqual(before);
  expect(readdirSync(folder).toSorted()).toEqual(['orders.db', 'orders.db.mark']);
});

it('an import that was done is recognized as not needed again', () => {
  const path = join(testFolder(), 'orders.db');
  const imported = counters(10n, [1n, 200n], [2n, 300n]);
  run(path, imported);
  expect(plan(path, imported).summary).toMatchObject({ isNeeded: false });
  expect(plan(path, counters(11n, [1n, 200n])).summary).toMatchObject({ isNeeded: true });
  expect(plan(path, counters(10n, [1n, 201n], [3n, 5n]))).toMatchObject({
    summary: { isNeeded: true, storesMade: 1, storesSet: 1 },
    changes: [{ change: 'set' }, { change: 'make' }],
  });
});

it('a store of an empty ledger keeps its style and gets its number', () => {
  const { database } = fillLedger(join(testFolder(), 'orders.db'));
  tamper(database, "INSERT INTO stores VALUES (1, 100, 99, 'A-', '', 6, 0)");
  run(database, counters(10n, [1n, 200n]));
  const db = openReadConnection(database);
  onTestFinished(() => void db.close());
  expect(db.prepare('SELECT * FROM stores').all()).toMatchObject([
    { first_number: 200n, last_number: 199n, prefix: 'A-', min_digits: 6n },
  ]);
});

it('P9: an import can be corrected downwards as long as nothing was allocated', () => {
  const path = join(testFolder(), 'orders.db');
  run(path, counters(1000n, [1n, 200n]));
  run(path, counters(10n, [1n, 20n]));
  expect(readMark(`${path}.mark`)).toMatchObject({ lastOrderId: 9n });
  fillLedger(path, { storeId: 1n, requestId: 'first' });
  expect(assertDense(path)).toMatchObject([{ order_id: 10n, order_number: 20n }]);
});

it('P9: a failed correction downwards leaves a ledger that opens', () => {
  const path = join(testFolder(), 'orders.db');
  run(path, counters(1000n, [1n, 200n]));
  // Before the commit, so that at no moment the mark is ahead of the ledger.
  const marks: unknown[] = [];
  const look = () => {
    marks.push(readMark(`${path}.mark`));
    throw new Error('died');
  };
  expect(() => importCounters(path, counters(10n, [1n, 20n]), look)).toThrow('died');
  expect(marks).toMatchObject([{ lastOrderId: 9n }]);
  expect(stateOf(path)).toEqual({ ledger: [1000n, 999n], stores: [[1n, 200n, 199n]] });
  const ledger = openLedger(locateLedger(path))!;
  expect(ledger).toMatchObject({ lastOrderId: 999n, warnings: [] });
  ledger.mark.close();
  ledger.db.close();
});

it.each([
  ['an allocation', (path: string) => void fillLedger(path, ...fills(1))],
  ['a declared loss', (path: string) => tamper(path, 'INSERT INTO declared_losses VALUES (NULL, 1, 5, 0)')],
  ['a store that is ahead', (path: string) => tamper(path, "INSERT INTO stores VALUES (1, 1, 5, '', '', 0, 0)")],
  ['a counter that is ahead', (path: string) => tamper(path, 'UPDATE ledger SET last_order_id = 3')],
])('P1 P2: an import into a ledger with %s is refused, even one that jumps ahead', (_, use) => {
  const { database } = fillLedger(join(testFolder(), 'orders.db'));
  use(database);
  const before = stateOf(database);
  for (const imported of [counters(1n, [1n, 100n]), counters(5000n, [77n, 5000n])]) {
    expect(() => plan(database, imported)).toThrow(/only an empty ledger accepts an import/);
    expect(() => run(database, imported)).toThrow(/only an empty ledger accepts an import/);
  }
  expect(stateOf(database)).toEqual(before);
});

it('P8: an import into a ledger in use is refused', () => {
  const files = fillLedger(join(testFolder(), 'orders.db'));
  const fence = takeFence(files);
  onTestFinished(() => fence.release());
  expect(() => run(files.database, counters(10n))).toThrow(/orders\.db is in use by another order-numbers process/);
});

it('P9: an import into a missing ledger whose mark exists is refused', () => {
  const files = fillLedger(join(testFolder(), 'orders.db'), ...fills(3));
  rmSync(files.database);
  for (const tryIt of [run, plan]) expect(() => tryIt(files.database, counters(10n))).toThrow(/missing.*but its mark/);
  expect(existsSync(files.database)).toBe(false);
});

it('an import into a ledger being read, or into another file, is refused and changes nothing', () => {
  const files = fillLedger(join(testFolder(), 'orders.db'));
  const writer = openWriteConnection(files.database);
  const reader = openReadConnection(files.database);
  onTestFinished(() => [writer, reader].forEach((db) => db.close()));
  writer.exec("INSERT INTO stores VALUES (1, 100, 99, '', '', 0, 0)");
  reader.exec('BEGIN; SELECT * FROM ledger');
  writer.exec("INSERT INTO stores VALUES (2, 100, 99, '', '', 0, 0)");
  expect(() => run(files.database, counters(10n))).toThrow(/is being read by another process; retry/);

  const other = join(dirname(files.database), 'other.db');
  tamper(other, 'CREATE TABLE customers (name TEXT)');
  for (const tryIt of [run, plan]) expect(() => tryIt(other, counters(10n))).toThrow(/database of another program/);
});

it('staging yields the stores in order, and reports where a duplicate was', () => {
  const staging = new ImportStaging();
  onTestFinished(() => staging.close());
  expect(staging.add({ storeId: 9n, nextNumber: 1n }, 2)).toBeUndefined();
  expect(staging.add({ storeId: 2n, nextNumber: 5n }, 3)).toBeUndefined();
  expect(staging.add({ storeId: 9n, nextNumber: 7n }, 4)).toBe(2);
  expect([...staging]).toEqual([
    { storeId: 2n, nextNumber: 5n },
    { storeId: 9n, nextNumber: 1n },
  ]);
  expect(staging.size).toBe(2);
});
