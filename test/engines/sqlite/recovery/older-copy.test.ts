import { randomUUID } from 'node:crypto';
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { backupLedger } from '../../../../src/engines/sqlite/operator/backup.ts';
import { BatchTransaction } from '../../../../src/engines/sqlite/statements/batch-transaction.ts';
import { checkpoint } from '../../../../src/engines/sqlite/file/checkpoint.ts';
import { openWriteConnection } from '../../../../src/engines/sqlite/file/connection.ts';
import { takeFence } from '../../../../src/engines/sqlite/file/fence.ts';
import { readBase } from '../../../../src/engines/sqlite/file/high-water-mark.ts';
import type { LedgerFiles } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { locateLedger } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import type { OpenLedger } from '../../../../src/engines/sqlite/recovery/open-ledger.ts';
import { openLedger } from '../../../../src/engines/sqlite/recovery/open-ledger.ts';
import { packRequests } from '../../../../src/engines/sqlite/threads/packed-batch.ts';
import { readWalHeader } from '../../../../src/engines/sqlite/file/wal-file.ts';
import { Writer } from '../../../../src/engines/sqlite/threads/writer.ts';
import { LedgerRefused } from '../../../../src/core/errors.ts';
import { DEFAULT_STORE } from '../../../../src/core/store.ts';
import { copyOpenFile, copyOpenFiles } from '../../../support/ledgers/copied-files.ts';
import { assertDense } from '../../../support/ledgers/density.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

function open(files: LedgerFiles): OpenLedger {
  const ledger = openLedger(files)!;
  onTestFinished(() => close(ledger));
  return ledger;
}

function close({ db, mark }: OpenLedger): void {
  if (!db.open) return;
  db.close();
  mark.close();
}

/** Gives `count` numbers in store 7 to random keys, in batches of 100. */
function number({ db, mark, ledgerId }: OpenLedger, count: number): void {
  const batches = new BatchTransaction(db, true);
  for (let left = count; left > 0; left -= 100) {
    const batch = Array.from({ length: Math.min(100, left) }, () => ({
      storeId: 7n,
      requestId: randomUUID(),
      count: 1,
      caller: '',
    }));
    mark.write({ ledgerId, lastOrderId: batches.commit(batch).lastOrderId });
  }
}

function openWriter(files: LedgerFiles): Writer {
  const fence = takeFence(files);
  const writer = new Writer({ files, autoCreateStores: true, expected: undefined, lock: fence.identity });
  onTestFinished(() => {
    writer.close();
    fence.release();
  });
  writer.open({ atStart: true });
  return writer;
}

/** A copy of what a process killed now would leave. */
function killed({ database }: LedgerFiles): LedgerFiles {
  const folder = testFolder();
  copyOpenFiles([database, `${database}-wal`, `${database}.mark`], folder);
  return locateLedger(join(folder, basename(database)));
}

/** What lies in the ledger's folder, but for the -shm file. */
function contents({ database, mark }: LedgerFiles): Record<string, string | undefined> {
  return { database: bytesOf(database), wal: bytesOf(`${database}-wal`), mark: bytesOf(mark) };
}

function bytesOf(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'hex') : undefined;
}

function expectRefused(files: LedgerFiles, why: RegExp): void {
  const before = contents(files);
  for (let i = 0; i < 2; i++) {
    expect(() => openLedger(files)).toThrow(LedgerRefused);
    expect(() => openLedger(files)).toThrow(why);
    expect(contents(files)).toEqual(before);
  }
}

it.each([8, 20])(
  'P9: an older copy put over a ledger of %i more orders whose -wal exists is refused, and no file is changed',
  async (between) => {
    const files = locateLedger(join(testFolder(), 'orders.db'));
    const first = open(files);
    number(first, 3000);
    const backup = join(dirname(files.database), 'backup.copy');
    await backupLedger(files.database, backup, { force: false });
    number(first, between);
    close(first);
    const second = open(files);
    number(second, 2);

    const machine = killed(files);
    const newest = contents(machine);
    copyFileSync(backup, machine.database);
    expectRefused(machine, /orders\.db and .*orders\.db-wal do not belong together .*older copy/);

    copyOpenFile(files.database, machine.database);
    expect(contents(machine)).toEqual(newest);
    close(open(machine));
    expect(assertDense(machine.database)).toHaveLength(3002 + between);
  },
);

it.each([
  ['missing', undefined],
  ['empty', ''],
  ['of one byte', 'x'],
  ['a text', 'README'],
  ['another ledger', 'another'],
])('P9: a ledger whose -wal exists and whose database is %s is refused, and no file is changed', (_, content) => {
  const files = locateLedger(join(testFolder(), 'orders.db'));
  const ledger = open(files);
  number(ledger, 3);
  for (const hasMark of [true, false]) {
    const machine = killed(files);
    if (!hasMark) rmSync(machine.mark);
    if (content === 'another') {
      const other = locateLedger(join(testFolder(), 'orders.db'));
      close(open(other));
      copyFileSync(other.database, machine.database);
    } else if (content === undefined) rmSync(machine.database);
    else writeFileSync(machine.database, content);
    expectRefused(machine, /./);
  }
  expect(ledger.lastOrderId).toBe(0n);
});

it('P9: the WAL does not restart before the mark on disk records the state of the database file alone', () => {
  const files = locateLedger(join(testFolder(), 'orders.db'));
  const writer = openWriter(files);
  const other = openWriteConnection(files.database);
  onTestFinished(() => void other.close());
  let keys = 0;
  const commit = () => writer.commit(packRequests([{ storeId: 7n, requestId: `k${keys++}`, count: 1, caller: '' }]));
  const salts = () => readWalHeader(`${files.database}-wal`)?.salts;
  commit();
  const before = salts();
  for (let i = 0; i < 3; i++) {
    // The checkpointer, and any other program at the file, moves everything; and then more is committed.
    writer.beginPass();
    expect(checkpoint(other, 'PASSIVE')).toMatchObject({ busy: false });
    expect(checkpoint(other, 'TRUNCATE').busy).toBe(true);
    commit();
    expect(salts()).toBe(before);
  }
  expect(readBase(files.mark)?.lastOrderId).toBe(0n);
  writer.finishCheckpoint();
  expect(readBase(files.mark)).toMatchObject({ lastOrderId: 4n, salts: before });
  commit();
  expect(salts()).not.toBe(before);
});

it('P9: changes of stores alone distinguish an older copy from the database at the last checkpoint', () => {
  const files = locateLedger(join(testFolder(), 'orders.db'));
  const writer = openWriter(files);
  const commit = (requestId: string) => writer.commit(packRequests([{ storeId: 7n, requestId, count: 1, caller: '' }]));
  commit('a');
  writer.finishCheckpoint();
  const copy = join(dirname(files.database), 'copy');
  copyOpenFile(files.database, copy);
  writer.createStore({ ...DEFAULT_STORE, storeId: 8n });
  writer.finishCheckpoint();
  commit('b');
  const machine = killed(files);
  copyFileSync(copy, machine.database);
  expect(readBase(machine.mark)?.lastOrderId).toBe(1n);
  expectRefused(machine, /held later changes of stores/);
});
