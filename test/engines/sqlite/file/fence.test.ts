import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openReadConnection, openWriteConnection } from '../../../../src/engines/sqlite/file/connection.ts';
import type { Fence } from '../../../../src/engines/sqlite/file/fence.ts';
import { takeFence } from '../../../../src/engines/sqlite/file/fence.ts';
import { findLedger, locateLedger } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { LedgerRefused } from '../../../../src/core/errors.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

function take(path: string): Fence {
  const fence = takeFence(locateLedger(path));
  onTestFinished(() => fence.release());
  return fence;
}

/** Another process that takes the fence of this ledger and keeps it. */
async function takeElsewhere(path: string) {
  const { href } = new URL('../../../../src/engines/sqlite/file/fence.ts', import.meta.url);
  const code = `
    import { takeFence } from '${href}';
    // Kept, because a garbage-collected fence is released.
    globalThis.fence = takeFence(${JSON.stringify(locateLedger(path))});
    process.stdout.write('taken');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

it('P8: a second fence on the same ledger is refused, and the message names the file', () => {
  const path = join(testFolder(), 'orders.db');
  take(path);
  expect(() => take(path)).toThrow(LedgerRefused);
  expect(() => take(path)).toThrow(`${path} is in use by another order-numbers process`);
});

it('P8: a second fence is refused through every symbolic link, to the file or to its folder', () => {
  const folder = testFolder();
  const path = join(folder, 'real', 'orders.db');
  mkdirSync(dirname(path));
  const fence = take(path);
  openWriteConnection(path).close();
  symlinkSync(path, join(folder, 'link.db'));
  symlinkSync('link.db', join(folder, 'link-to-link.db'));
  symlinkSync(join(folder, 'real'), join(folder, 'folder'));
  const names = ['link.db', 'link-to-link.db', 'folder/orders.db', 'real/../folder/orders.db'];
  for (const name of names) expect(() => take(join(folder, name))).toThrow(LedgerRefused);
  fence.release();
  for (const name of names) take(join(folder, name)).release();
});

it.each([' ', '\t', '\u00A0'])('P8: a link to a name that SQLite would shorten is refused: …db%j', (end) => {
  const folder = testFolder();
  writeFileSync(join(folder, `orders.db${end}`), '');
  symlinkSync(`orders.db${end}`, join(folder, 'link.db'));
  // SQLite would open orders.db, and the lock would be beside another.
  for (const find of [locateLedger, findLedger]) {
    expect(() => find(join(folder, 'link.db'))).toThrow(/its name ends with white space/);
  }
});

it('P8: a file with several hard links is refused', () => {
  const folder = testFolder();
  const path = join(folder, 'orders.db');
  openWriteConnection(path).close();
  linkSync(path, join(folder, 'other.db'));
  for (const name of ['orders.db', 'other.db']) {
    expect(() => locateLedger(join(folder, name))).toThrow(LedgerRefused);
    expect(() => locateLedger(join(folder, name))).toThrow(/has 2 hard links/);
  }
});

it('P8: a folder and a dangling link are refused as ledgers', () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'orders.db'));
  symlinkSync(join(folder, 'gone.db'), join(folder, 'link.db'));
  expect(() => locateLedger(join(folder, 'orders.db'))).toThrow(/orders.db is not a file/);
  expect(() => locateLedger(join(folder, 'link.db'))).toThrow(
    /link.db is a symbolic link to a file that does not exist/,
  );
  expect(existsSync(join(folder, 'gone.db'))).toBe(false);
});

it('P8: a released fence can be taken', () => {
  const path = join(testFolder(), 'orders.db');
  for (let i = 0; i < 3; i++) take(path).release();
  take(path);
  expect(() => take(path)).toThrow(LedgerRefused);
});

it('P8: a refused attempt leaves the fence in place', () => {
  const path = join(testFolder(), 'orders.db');
  const fence = take(path);
  for (let i = 0; i < 3; i++) expect(() => take(path)).toThrow(LedgerRefused);
  fence.release();
  take(path);
});

it('P8: a lock file that is not held is no obstacle', () => {
  const path = join(testFolder(), 'orders.db');
  writeFileSync(locateLedger(path).lock, '');
  expect(take(path)).toBeDefined();
});

it('creates no lock through a link that somebody has put in its place', () => {
  const folder = testFolder();
  symlinkSync(join(folder, 'elsewhere'), join(folder, 'orders.db.lock'));
  expect(() => take(join(folder, 'orders.db'))).toThrow('orders.db.lock is a link or not a regular file; remove it');
  expect(existsSync(join(folder, 'elsewhere'))).toBe(false);
});

it('P8: another process holds its own fence, which ends with it, even by kill -9', async () => {
  const path = join(testFolder(), 'orders.db');
  const child = await takeElsewhere(path);
  expect(() => take(path)).toThrow(LedgerRefused);
  child.kill('SIGKILL');
  await once(child, 'exit');
  take(path);
});

it('P8: ledgers in one folder do not block each other', () => {
  const folder = testFolder();
  take(join(folder, 'orders.db'));
  expect(take(join(folder, 'orders2.db'))).toBeDefined();
});

it('P8: readers continue while the fence is held', () => {
  const path = join(testFolder(), 'orders.db');
  take(path);
  const writer = openWriteConnection(path);
  writer.exec('CREATE TABLE t (a); INSERT INTO t VALUES (1)');
  const reader = openReadConnection(path);
  expect(reader.prepare('SELECT a FROM t').all()).toEqual([{ a: 1n }]);
  reader.close();
  writer.close();
});
