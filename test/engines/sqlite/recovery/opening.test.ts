import { copyFileSync, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { BatchTransaction } from '../../../../src/engines/sqlite/statements/batch-transaction.ts';
import { openReadConnection, openWriteConnection } from '../../../../src/engines/sqlite/file/connection.ts';
import { HighWaterMark, readMark } from '../../../../src/engines/sqlite/file/high-water-mark.ts';
import type { LedgerFiles } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { locateLedger } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import type { OpenLedger } from '../../../../src/engines/sqlite/recovery/open-ledger.ts';
import { openLedger } from '../../../../src/engines/sqlite/recovery/open-ledger.ts';
import { LedgerRefused } from '../../../../src/core/errors.ts';
import { copyOpenFiles } from '../../../support/ledgers/copied-files.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

function newFiles(): LedgerFiles {
  return locateLedger(join(testFolder(), 'orders.db'));
}

function open(files: LedgerFiles): OpenLedger {
  const ledger = openLedger(files);
  if (!ledger) throw new Error('the ledger is busy');
  onTestFinished(() => close(ledger));
  return ledger;
}

function close({ db, mark }: OpenLedger): void {
  if (!db.open) return;
  db.close();
  mark.close();
}

/** Gives one number for each of these keys, in store 7. */
function number({ db, mark, ledgerId }: OpenLedger, ...requestIds: string[]) {
  const batch = requestIds.map((requestId) => ({ storeId: 7n, requestId, count: 1, caller: '' }));
  const committed = new BatchTransaction(db, true).commit(batch);
  mark.write({ ledgerId, lastOrderId: committed.lastOrderId });
  return committed.outcomes;
}

/** A closed ledger whose numbers 1 to 3 were given. */
function closedLedger(): LedgerFiles {
  const files = newFiles();
  const ledger = open(files);
  number(ledger, 'a', 'b', 'c');
  close(ledger);
  return files;
}

/** The files of a ledger whose owner was killed after allocating the numbers 1 to 3. */
function killedLedger(): LedgerFiles {
  const owner = open(newFiles());
  number(owner, 'a');
  number(owner, 'b', 'c');
  const copy = newFiles();
  copyOpenFiles([owner.db.name, `${owner.db.name}-wal`, `${owner.db.name}.mark`], dirname(copy.database));
  expect(walSize(copy)).toBeGreaterThan(0);
  return copy;
}

function walSize({ database }: LedgerFiles): number {
  return statSync(`${database}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}

it('P4: opening moves the WAL of a killed owner into the database before anything is answered', () => {
  const files = killedLedger();
  const ledger = open(files);
  expect(walSize(files)).toBe(0);
  expect(ledger).toMatchObject({ lastOrderId: 3n, warnings: [] });
  expect(number(ledger, 'b', 'd')).toMatchObject([
    { replayed: true, allocation: { orderId: 2n, orderNumber: 101n } },
    { replayed: false, allocation: { orderId: 4n, orderNumber: 103n } },
  ]);
});

it('P4: a new ledger is in the database file, not only in the WAL', () => {
  const files = newFiles();
  const { ledgerId } = open(files);
  expect(walSize(files)).toBe(0);
  expect(readMark(files.mark)).toEqual({ ledgerId, lastOrderId: 0n });
});

it('P4: a ledger whose old state another connection reads is not opened before that ends', () => {
  const files = closedLedger();
  const reader = openReadConnection(files.database);
  onTestFinished(() => void reader.close());
  const owner = open(files);
  reader.exec('BEGIN; SELECT * FROM ledger');
  number(owner, 'd');
  close(owner);
  expect(openLedger(files)).toBeUndefined();
  reader.exec('COMMIT');
  expect(open(files).lastOrderId).toBe(4n);
});

it('a file of 0 bytes is a new ledger', () => {
  const files = newFiles();
  writeFileSync(files.database, '');
  const ledger = open(files);
  expect(ledger).toMatchObject({ lastOrderId: 0n, warnings: [] });
  expect(number(ledger, 'a')).toMatchObject([{ allocation: { orderId: 1n, orderNumber: 100n } }]);
});

it('P9: a missing or empty ledger whose mark exists is refused, and not recreated', () => {
  const files = closedLedger();
  rmSync(files.database);
  expect(() => openLedger(files)).toThrow(LedgerRefused);
  expect(() => openLedger(files)).toThrow(/orders.db is missing or empty, but its mark .*orders.db.mark exists/);
  expect(existsSync(files.database)).toBe(false);
  writeFileSync(files.database, '');
  expect(() => openLedger(files)).toThrow(/orders.db is missing or empty/);
  rmSync(files.mark);
  expect(open(files).lastOrderId).toBe(0n);
});

it('P9: an older copy put back is refused, and the mark stays', () => {
  const files = closedLedger();
  const copy = `${files.database}.copy`;
  copyFileSync(files.database, copy);
  const ledger = open(files);
  number(ledger, 'd', 'e');
  close(ledger);
  copyFileSync(copy, files.database);
  for (let i = 0; i < 2; i++) {
    expect(() => openLedger(files)).toThrow(LedgerRefused);
    expect(() => openLedger(files)).toThrow(/orders.db ends at order_id 3, but 5 was already given/);
  }
});

it('P9: a ledger that lost all or the end of its WAL is refused', () => {
  const lost = killedLedger();
  rmSync(`${lost.database}-wal`);
  expect(() => openLedger(lost)).toThrow(/ends at order_id 0, but 3 was already given/);
  const cut = killedLedger();
  truncateSync(`${cut.database}-wal`, walSize(cut) - 1);
  expect(() => openLedger(cut)).toThrow(/ends at order_id 1, but 3 was already given/);
});

it('P9: a ledger with the mark of another one is refused', () => {
  const [one, other] = [closedLedger(), closedLedger()];
  writeFileSync(one.mark, readFileSync(other.mark));
  expect(() => openLedger(one)).toThrow(LedgerRefused);
  expect(() => openLedger(one)).toThrow(/orders.db is ledger .* but its mark .* belongs to ledger/);
});

it.each(['torn', 'missing'])('P9: a mark that is %s causes a warning and is rewritten', (state) => {
  const files = closedLedger();
  if (state === 'torn') truncateSync(files.mark, 20);
  else rmSync(files.mark);
  const ledger = open(files);
  expect(ledger.warnings).toEqual([expect.stringContaining(`the high-water mark ${files.mark} was ${state}`)]);
  expect(readMark(files.mark)).toEqual({ ledgerId: ledger.ledgerId, lastOrderId: 3n });
});

it('P9: a mark behind its ledger, as after a power cut, is moved forward', () => {
  const files = closedLedger();
  const ledgerId = open(files).ledgerId;
  new HighWaterMark(files.mark, { ledgerId, lastOrderId: 1n }).close();
  expect(open(files)).toMatchObject({ lastOrderId: 3n, warnings: [] });
  expect(readMark(files.mark)).toEqual({ ledgerId, lastOrderId: 3n });
});

it('P9: a ledger that was moved away is refused, and the message says where it went', () => {
  const files = closedLedger();
  const db = openWriteConnection(files.database);
  db.exec("UPDATE ledger SET sealed_to = 'postgres://orders'");
  db.close();
  expect(() => openLedger(files)).toThrow(LedgerRefused);
  expect(() => openLedger(files)).toThrow(/was moved to postgres:\/\/orders/);
});

it('P9: a ledger without its counter is refused', () => {
  const files = closedLedger();
  const db = openWriteConnection(files.database);
  db.exec('DELETE FROM ledger');
  db.close();
  expect(() => openLedger(files)).toThrow(/its counter is missing/);
});

it('P9: a ledger that vanishes while it is being opened is not recreated', () => {
  const files = closedLedger();
  rmSync(files.database);
  expect(() => openWriteConnection(files.database, { mayCreate: false })).toThrow(/unable to open database file/);
  expect(existsSync(files.database)).toBe(false);
});
