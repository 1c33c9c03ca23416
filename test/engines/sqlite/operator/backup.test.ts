import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { BackupOptions } from '../../../../src/engines/sqlite/operator/backup.ts';
import { backupLedger } from '../../../../src/engines/sqlite/operator/backup.ts';
import { openWriteConnection } from '../../../../src/engines/sqlite/file/connection.ts';
import { HighWaterMark } from '../../../../src/engines/sqlite/file/high-water-mark.ts';
import { LedgerRefused } from '../../../../src/core/errors.ts';
import { assertDense } from '../../../support/ledgers/density.ts';
import { fillLedger, fills, giveNumbers, nameCallers, tamper } from '../../../support/ledgers/filled-ledger.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

/** A ledger with 9 single numbers and one run of 5, and a folder for its backup. */
function source() {
  const { database, mark } = fillLedger(join(testFolder(), 'orders.db'), ...fills(9), {
    storeId: 2n,
    requestId: 'run',
    count: 5,
  });
  nameCallers(database);
  return { database, mark, target: join(testFolder(), 'backup.db') };
}

function backup(database: string, target: string, options: Partial<BackupOptions> = {}) {
  return backupLedger(database, target, { force: false, ...options });
}

/** Expects a refusal that leaves nothing at the target. */
async function refused(database: string, target: string): Promise<string> {
  const before = readdirSync(dirname(target));
  const error: unknown = await backup(database, target).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LedgerRefused);
  expect(readdirSync(dirname(target))).toEqual(before);
  return (error as LedgerRefused).message;
}

it('P1 P2: a backup is one file, as dense as its ledger', async () => {
  const { database, target } = source();
  expect(await backup(database, target)).toMatchObject({ lastOrderId: 14n, rows: 10n, stores: 3n, target });
  expect(readdirSync(dirname(target))).toEqual(['backup.db']);
  expect(assertDense(target)).toEqual(assertDense(database));
  expect(assertDense(target).map(({ caller }) => caller)).toContain('caller 2');
  // The header says that there is no WAL: it opens on a read-only disk.
  expect([...readFileSync(target).subarray(18, 20)]).toEqual([1, 1]);
});

it('P1 P2: a backup under load is the ledger as of when the backup began', async () => {
  const { database, target } = source();
  const writer = openWriteConnection(database);
  onTestFinished(() => void writer.close());
  let writes = 0;
  const onProgress: BackupOptions['onProgress'] = (step) => {
    if (step === 'copying') giveNumbers(writer, fills(20, { name: `during-${writes++}` }));
  };
  expect(await backup(database, target, { onProgress })).toMatchObject({ lastOrderId: 14n });
  expect(writes).toBeGreaterThan(0);
  expect(assertDense(target)).toHaveLength(10);
  expect(assertDense(database).length).toBe(10 + 20 * writes);
});

it('a backup only reads its source, and includes what is only in the WAL', async () => {
  const { database, target } = source();
  const writer = openWriteConnection(database);
  onTestFinished(() => void writer.close());
  giveNumbers(writer, fills(3, { name: 'in the WAL' }));
  const before = [readFileSync(database), readFileSync(`${database}-wal`)];
  expect(await backup(database, target)).toMatchObject({ lastOrderId: 17n });
  expect([readFileSync(database), readFileSync(`${database}-wal`)]).toEqual(before);
});

it('a missing source is refused and not created', async () => {
  const folder = testFolder();
  expect(await refused(join(folder, 'none', 'orders.db'), join(folder, 'backup.db'))).toContain('does not exist');
  expect(readdirSync(folder)).toEqual([]);
});

it('a source that is not a ledger is refused', async () => {
  const folder = testFolder();
  const [notes, other, empty, newer] = ['notes', 'other', 'empty', 'newer'].map((name) => join(folder, name));
  writeFileSync(notes!, 'no database'.repeat(500));
  tamper(other!, 'CREATE TABLE customers (name TEXT)');
  writeFileSync(empty!, '');
  fillLedger(newer!);
  tamper(newer!, 'PRAGMA user_version = 99');
  const target = join(testFolder(), 'backup.db');
  expect(await refused(notes!, target)).toContain('is damaged or not an SQLite database');
  expect(await refused(other!, target)).toContain('a database of another program');
  expect(await refused(empty!, target)).toContain('is an empty file');
  expect(await refused(newer!, target)).toContain('schema version 99');
});

it('P9: a ledger that is behind its mark is not backed up over a better backup', async () => {
  const { database, mark, target } = source();
  const { ledgerId } = await backup(database, target);
  new HighWaterMark(mark, { ledgerId, lastOrderId: 20n }).close();
  await expect(backup(database, target, { force: true })).rejects.toThrow(/ends at order_id 14, but 20 was already/);
  expect(assertDense(target)).toHaveLength(10);
});

it('P9: a copy that is behind the mark is no backup, whatever lies at the path of its ledger by the end', async () => {
  const { database, mark, target } = source();
  const [older, newest] = ['older.db', 'newest.db'].map((name) => join(dirname(target), name));
  const { ledgerId } = await backup(database, older!);
  const writer = openWriteConnection(database);
  giveNumbers(writer, fills(3, { name: 'newest' }));
  writer.close();
  new HighWaterMark(mark, { ledgerId, lastOrderId: 17n }).close();
  renameSync(database, newest!);
  copyFileSync(older!, database);
  const onProgress = () => {
    if (existsSync(newest!)) renameSync(newest!, database);
  };
  await expect(backup(database, target, { onProgress })).rejects.toThrow(/ends at order_id 14, but 17 was already/);
  expect(readdirSync(dirname(target))).toEqual(['older.db']);
  expect(assertDense(database)).toHaveLength(13);
});

it.each([
  ['a hole of order_ids', 'DELETE FROM allocations WHERE order_id = 4', /no row covers order_id 4;/],
  ['no first order_id', 'DELETE FROM allocations WHERE order_id = 1', /no row covers order_id 1;/],
  ['a counter ahead', 'UPDATE ledger SET last_order_id = 15', /no row covers order_id 15;/],
  ['a counter behind', 'UPDATE ledger SET last_order_id = 9', /1 rows lie above the counter of order_ids, 9;/],
  ['an overlap', 'UPDATE allocations SET count = 2 WHERE order_id = 1', /more than one row covers order_id 2;/],
  [
    'a hole of order_numbers',
    'UPDATE allocations SET order_number = order_number + 10 WHERE order_id = 9',
    /the counter of store 3 is at 102, but its rows end at 112;/,
  ],
  ['no first order_number', 'UPDATE stores SET first_number = 99', /no row covers order_number 99 of store 1;/],
  ['a store at its end', 'UPDATE stores SET last_number = 110 WHERE store_id = 1', /the counter of store 1 is at 110/],
  [
    'a store that is gone',
    'DELETE FROM stores WHERE store_id = 3',
    /store 3 has rows or declared losses but no counter;/,
  ],
  [
    'numbers that fall while order_ids rise',
    `UPDATE allocations SET order_number = 1000 WHERE order_id = 1;
     UPDATE allocations SET order_number = 100 WHERE order_id = 4;
     UPDATE allocations SET order_number = 101 WHERE order_id = 1`,
    /order_number 101 of store 1 has order_id 1, .*: they do not rise together;/,
  ],
  [
    'an overlap in a store',
    'INSERT INTO declared_losses VALUES (1, 101, 101, 0)',
    /3 order_numbers of store 1 have rows and 1 are recorded as lost, of 3: /,
  ],
  [
    'a loss beyond the end',
    'INSERT INTO declared_losses VALUES (NULL, 15, 20, 0)',
    /14 order_ids have rows and 6 are recorded as lost, of 14: the losses lie on rows or beyond the end;/,
  ],
  [
    'a loss of a store beyond its end',
    'INSERT INTO declared_losses VALUES (1, 103, 120, 0)',
    /3 order_numbers of store 1 have rows and 18 are recorded as lost, of 3: /,
  ],
  ['an index that is gone', 'DROP INDEX allocations_by_request_id', /the index allocations_by_request_id is missing;/],
  ['no counter', 'DELETE FROM ledger', /its counter is missing/],
  ['a table that is gone', 'DROP TABLE declared_losses', /is damaged or not a ledger \(no such table: /],
  [
    'a create_time that falls',
    'UPDATE allocations SET create_time_ms = 999 WHERE order_id = 5',
    /create_time falls at order_id 5,? /,
  ],
])('a ledger with %s is not backed up, and nothing is left behind behind', async (_, damage, finding) => {
  const { database, target } = source();
  tamper(database, damage);
  const message = await refused(database, target);
  expect(message).toMatch(finding);
  // The operator knows the ledger, not the temporary name of its copy.
  expect(message.startsWith(`${database} is damaged`)).toBe(true);
});

it('a ledger whose index disagrees with its table is not backed up', async () => {
  const { database, target } = source();
  const bytes = readFileSync(database);
  for (const find of [bytes.indexOf('r-4'), bytes.lastIndexOf('r-4')]) {
    const damaged = Buffer.from(bytes);
    damaged.write('r-X', find);
    writeFileSync(database, damaged);
    expect(await refused(database, target)).toMatch(/integrity_check says .*allocations_by_request_id/);
  }
});

it('declared losses are not holes', async () => {
  const { database, target } = source();
  tamper(
    database,
    `INSERT INTO declared_losses VALUES (NULL, 15, 20, 0), (1, 103, 108, 0), (2, 108, 113, 0), (3, 103, 108, 0);
     UPDATE ledger SET last_order_id = 20; UPDATE stores SET last_number = last_number + 6`,
  );
  fillLedger(database, ...fills(6, { name: 'later' }));
  tamper(
    database,
    "INSERT INTO stores VALUES (9, 100, 105, '', '', 0, 0); INSERT INTO declared_losses VALUES (9, 100, 105, 0)",
  );
  expect(await backup(database, target)).toMatchObject({ lastOrderId: 26n, stores: 4n });
});

it('a stopped backup leaves nothing behind', async () => {
  const { database, target } = source();
  for (const stopAt of ['copying', 'checking']) {
    const stop = new AbortController();
    const onProgress = (step: string) => {
      if (step === stopAt) stop.abort(new Error('stopped'));
    };
    await expect(backup(database, target, { signal: stop.signal, onProgress })).rejects.toThrow('stopped');
    expect(readdirSync(dirname(target))).toEqual([]);
  }
});

it('an existing target is replaced only by force, and atomically', async () => {
  const { database, target } = source();
  await backup(database, target);
  fillLedger(database, ...fills(2, { name: 'later' }));
  expect(await refused(database, target)).toMatch(/backup\.db already exists; .*--force/);
  expect(assertDense(target)).toHaveLength(10);
  await backup(database, target, { force: true });
  expect(assertDense(target)).toHaveLength(12);
  expect(readdirSync(dirname(target))).toEqual(['backup.db']);
});

it('the ledger itself, under any name, and its files are refused as a target', async () => {
  const { database } = source();
  const folder = testFolder();
  symlinkSync(database, join(folder, 'link.db'));
  symlinkSync(dirname(database), join(folder, 'linked-folder'));
  const names = [database, join(folder, 'link.db'), join(folder, 'linked-folder', 'orders.db')];
  for (const suffix of ['-wal', '-shm', '.lock', '.mark']) names.push(`${database}${suffix}`);
  const before = assertDense(database);
  for (const name of names) {
    await expect(backup(database, name, { force: true })).rejects.toThrow(/is the ledger itself or a part of it/);
  }
  linkSync(database, join(folder, 'hard.db'));
  await expect(backup(database, join(folder, 'hard.db'), { force: true })).rejects.toThrow(/is the ledger itself/);
  expect(assertDense(database)).toEqual(before);
});

it('a target inside a file and an empty one are refused in one sentence', async () => {
  const { database, target } = source();
  const inside = await backup(database, join(database, 'x')).catch((error: unknown) => error);
  expect(inside).toEqual(
    new LedgerRefused(`${database} is a file and not a folder; choose another place for the backup`),
  );
  await expect(backup(database, '')).rejects.toThrow(/^the path of the backup is empty; name the file to write$/);
  await expect(backup('', target)).rejects.toThrow(/^the path of the ledger or backup is empty; name its file$/);
});

it('the path of another ledger, or of files it left behind, is refused as a target', async () => {
  const { database, target } = source();
  const other = fillLedger(join(testFolder(), 'orders.db'), ...fills(1)).database;
  await expect(backup(database, other, { force: true })).rejects.toThrow(/orders\.db\.mark exists/);
  expect(assertDense(other)).toHaveLength(1);
  writeFileSync(`${target}-wal`, 'of another database');
  expect(await refused(database, target)).toMatch(/backup\.db-wal exists/);
  rmSync(`${target}-wal`);
  mkdirSync(target);
  await expect(backup(database, target, { force: true })).rejects.toThrow(/is not a file/);
  await expect(backup(database, join(testFolder(), 'none', 'x.db'))).rejects.toThrow(
    /the folder .*none does not exist/,
  );
  expect(existsSync(target)).toBe(true);
});
