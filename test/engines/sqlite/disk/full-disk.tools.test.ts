import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { expect, it, onTestFinished, vi } from 'vitest';
import { LedgerRefused } from '../../../../src/core/errors.ts';
import { SqliteLedger } from '../../../../src/engines/sqlite/sqlite-ledger.ts';
import type { LedgerObserver } from '../../../../src/core/observers.ts';
import { DEFAULT_STORE } from '../../../../src/core/store.ts';
import { requireTools } from '../../../support/required-tool.ts';
import { rowsOf, version1Ledger } from '../../../support/ledgers/version-1-ledger.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

/** A small disk of its own. */
function smallDisk(test: TestContext): { folder: string; fill: (blocksLeft?: number) => void; freeDisk: () => void } {
  requireTools(test, 'root', 'linux');
  const folder = testFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder]);
  onTestFinished(() => void execFileSync('umount', ['--lazy', folder]));
  const ballast = join(folder, 'ballast');
  return {
    folder,
    fill(blocksLeft = 0) {
      const { bavail, bsize } = statfsSync(folder);
      writeFileSync(ballast, Buffer.alloc((bavail - blocksLeft) * bsize));
      expect(statfsSync(folder).bavail).toBe(blocksLeft);
    },
    freeDisk: () => rmSync(ballast),
  };
}

function openLedger(path: string) {
  const lines: string[] = [];
  const observer: LedgerObserver = {
    opened: () => lines.push('opened'),
    waiting: (why, reason) => lines.push(`${reason}: ${why}`),
    failed: (error) => lines.push(`failed: ${String(error.cause)}`),
    lost: (why) => lines.push(`lost: ${why}`),
    warning: (message) => lines.push(`warning: ${message}`),
    transaction() {},
  };
  const ledger = new SqliteLedger(path, { autoCreateStores: true }, observer);
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= ledger.close());
  onTestFinished(close);
  return { ledger, lines, close };
}

function ask(requestId: string) {
  return { storeId: 7n, requestId, count: 1, caller: '' };
}

it('P4 P7: on a disk full at startup the ledger is readable, new requests are LEDGER_FULL, and numbering resumes when space is freed', async (test) => {
  const disk = smallDisk(test);
  const path = join(disk.folder, 'orders.db');
  const first = openLedger(path);
  await first.ledger.ready();
  await first.ledger.commit([ask('a'), ask('b')]);
  // A reader keeps the WAL and the -shm file in place, as a kill would.
  const reader = await keepOpen(path);
  await first.close();
  disk.fill();

  const { ledger, lines } = openLedger(path);
  await ledger.ready();
  expect(lines).toEqual([expect.stringMatching(/^disk full: the disk of .*orders\.db is full/)]);
  for (let i = 0; i < 3; i++) {
    await expect(ledger.commit([ask('c')])).rejects.toMatchObject({ reason: 'LEDGER_FULL' });
    await expect(ledger.createStore({ ...DEFAULT_STORE, storeId: 8n })).rejects.toMatchObject({
      reason: 'LEDGER_FULL',
    });
    expect(await ledger.reads.getAllocation({ storeId: 7n, requestId: 'b' })).toMatchObject({ orderId: 2n });
  }
  expect(lines).toHaveLength(1);
  reader();
  disk.freeDisk();
  // It recovers by itself, without a request.
  await vi.waitFor(() => expect(lines.at(-1)).toBe('opened'));
  expect(await ledger.commit([ask('b'), ask('c')])).toMatchObject([
    { replayed: true, allocation: { orderId: 2n } },
    { replayed: false, allocation: { orderId: 3n, orderNumber: 102n } },
  ]);
});

it('P7: a disk that fills up while a ledger is served counts as full until there is space for a batch', async (test) => {
  const disk = smallDisk(test);
  const { ledger, lines } = openLedger(join(disk.folder, 'orders.db'));
  await ledger.ready();
  // Enough for the transaction that an opening tries, and not for an order.
  disk.fill(3);

  for (let i = 0; i < 4; i++) {
    await expect(ledger.commit([ask(`order ${i}`)])).rejects.toMatchObject({ reason: 'LEDGER_FULL' });
  }
  expect(lines).toEqual([
    'opened',
    expect.stringMatching(/^disk full: commit failed/),
    expect.stringMatching(/^disk full: the disk of .*orders\.db is full/),
  ]);
  disk.freeDisk();
  await vi.waitFor(() => expect(lines.at(-1)).toBe('opened'));
  expect(await ledger.commit([ask('order 0')])).toMatchObject([{ replayed: false, allocation: { orderId: 1n } }]);
});

it('P7: on a full disk a ledger of an older release is readable, and it is upgraded when space is freed', async (test) => {
  const disk = smallDisk(test);
  const { database } = version1Ledger(join(disk.folder, 'orders.db'));
  const reader = await keepOpen(database);
  disk.fill();
  const { ledger, lines } = openLedger(database);
  await ledger.ready();
  expect(lines).toEqual([expect.stringMatching(/^disk full: the disk of .*orders\.db is full/)]);
  const original = { storeId: 1n, requestId: 'cart-1' };
  const read = () => ledger.reads.getAllocation(original);
  expect(await read()).toMatchObject({ orderId: 1n, caller: '' });
  await expect(ledger.commit([ask('new')])).rejects.toMatchObject({ reason: 'LEDGER_FULL' });
  expect(rowsOf({ database }).version).toBe(1);
  reader();
  disk.freeDisk();
  await vi.waitFor(() => expect(lines.at(-1)).toBe('opened'));
  expect(lines.at(-2)).toMatch(/upgraded from schema version 1 to 2/);
  expect(await read()).toMatchObject({ orderId: 1n, caller: '' });
  expect(await ledger.commit([{ ...ask('new'), caller: 'pos' }])).toMatchObject([
    { allocation: { orderId: 10n, caller: 'pos' } },
  ]);
});

it('P7: on a disk so full that SQLite cannot even read, a started server is LEDGER_FULL, and numbers when space is freed', async (test) => {
  const disk = smallDisk(test);
  const path = join(disk.folder, 'orders.db');
  const first = openLedger(path);
  await first.ledger.ready();
  await first.ledger.commit([ask('a')]);
  await first.close();
  expect(existsSync(`${path}-shm`)).toBe(false);
  disk.fill();
  const { ledger, lines } = openLedger(path);
  await ledger.ready();
  expect(lines).toEqual([expect.stringMatching(/^disk full: the disk of .*orders\.db is full/)]);
  await expect(ledger.commit([ask('b')])).rejects.toMatchObject({ reason: 'LEDGER_FULL' });
  disk.freeDisk();
  expect(await ledger.commit([ask('b')])).toMatchObject([{ allocation: { orderId: 2n } }]);
  expect(lines.at(-1)).toBe('opened');
});

it('a new ledger on a full disk is refused with path and remedy', async (test) => {
  const disk = smallDisk(test);
  disk.fill();
  const path = join(disk.folder, 'orders.db');
  const { ledger, lines } = openLedger(path);
  await expect(ledger.ready()).rejects.toMatchObject({ cause: { errorName: LedgerRefused.name } });
  expect(lines).toEqual([expect.stringMatching(/orders\.db is full .*free some space/)]);
});

/** Another process that reads, until the returned function is called. */
async function keepOpen(path: string): Promise<() => void> {
  const { default: Database } = await import('better-sqlite3');
  const db = new Database(path, { readonly: true });
  db.exec('BEGIN; SELECT * FROM ledger');
  onTestFinished(() => void db.close());
  return () => db.close();
}
