import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { expect, it, onTestFinished, vi } from 'vitest';
import { LedgerRefused } from '../../../src/core/errors.ts';
import type { OrderError } from '../../../src/core/errors.ts';
import { takeFence } from '../../../src/engines/sqlite/file/fence.ts';
import { locateLedger } from '../../../src/engines/sqlite/file/ledger-files.ts';
import { SqliteLedger } from '../../../src/engines/sqlite/sqlite-ledger.ts';
import type { LedgerObserver } from '../../../src/core/observers.ts';
import { DEFAULT_STORE } from '../../../src/core/store.ts';
import { assertDense } from '../../support/ledgers/density.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import { listAfter } from '../../support/engines/memory-reads.ts';

/** Records what a ledger reports, in order. */
class RecordingObserver implements LedgerObserver {
  readonly lines: string[] = [];
  failure: OrderError | undefined;

  opened(): void {
    this.lines.push('opened');
  }
  waiting(why: string): void {
    this.lines.push(`waiting: ${why}`);
  }
  failed(error: OrderError): void {
    this.failure = error;
    this.lines.push('failed');
  }
  lost(why: string): void {
    this.lines.push(`lost: ${why}`);
  }
  warning(message: string): void {
    this.lines.push(`warning: ${message}`);
  }
  transaction(): void {}
}

function newPath(): string {
  return join(testFolder(), 'orders.db');
}

function openLedger(path: string) {
  const observer = new RecordingObserver();
  const ledger = new SqliteLedger(path, { autoCreateStores: true }, observer);
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= ledger.close());
  onTestFinished(close);
  return { ledger, observer, close };
}

/** Another program at the same file. */
function connect(path: string): Database.Database {
  const db = new Database(path);
  onTestFinished(() => void db.close());
  return db;
}

function ask(requestId: string) {
  return { storeId: 7n, requestId, count: 1, caller: '' };
}

function walSize(path: string): number {
  return statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}

const PLANT = "CREATE TRIGGER planted BEFORE INSERT ON allocations BEGIN SELECT RAISE(ABORT, 'planted'); END";

/** A ledger with one allocation, whose commits fail until the trigger is dropped. */
async function openWithPlantedFault() {
  const path = newPath();
  const { ledger, observer } = openLedger(path);
  await ledger.ready();
  await ledger.commit([ask('a')]);
  const other = connect(path);
  other.exec(PLANT);
  return { path, ledger, observer, other };
}

it('P7: after a failed commit nothing is read before the ledger has reopened, and then numbering is dense', async () => {
  const { path, ledger, observer, other } = await openWithPlantedFault();
  expect(walSize(path)).toBeGreaterThan(0);

  await expect(ledger.commit([ask('b'), ask('c')])).rejects.toThrow('planted');
  await expect(listAfter(ledger, 0n, 10)).rejects.toMatchObject({ reason: 'LEDGER_REOPENING' });
  await ledger.ready();
  expect(walSize(path)).toBe(0);
  expect(observer.lines).toEqual(['opened', expect.stringMatching(/^waiting: commit failed.*planted/), 'opened']);

  other.exec('DROP TRIGGER planted');
  expect(await ledger.commit([ask('c'), ask('a'), ask('b')])).toMatchObject([
    { replayed: false, allocation: { orderId: 2n, orderNumber: 101n } },
    { replayed: true, allocation: { orderId: 1n, orderNumber: 100n } },
    { replayed: false, allocation: { orderId: 3n, orderNumber: 102n } },
  ]);
});

it('P7: a write queued behind a failed commit is not done either', async () => {
  const { ledger, observer, other } = await openWithPlantedFault();
  const failing = ledger.commit([ask('b')]);
  const behind = ledger.createStore({ ...DEFAULT_STORE, storeId: 8n });
  const further = ledger.updateStore(7n, { prefix: 'A' });
  await expect(failing).rejects.toThrow('planted');
  await expect(behind).rejects.toMatchObject({ reason: 'OUTCOME_UNKNOWN' });
  await expect(further).rejects.toMatchObject({ reason: 'OUTCOME_UNKNOWN' });
  await ledger.ready();
  expect(observer.lines.filter((line) => line === 'opened')).toHaveLength(2);
  expect(await ledger.reads.getStore(8n)).toBeUndefined();
  expect(await ledger.reads.getStore(7n)).toMatchObject({ prefix: '' });
  other.exec('DROP TRIGGER planted');
  expect(await ledger.createStore({ ...DEFAULT_STORE, storeId: 8n })).toMatchObject({ storeId: 8n });
});

it('P7: a write made while the ledger reopens waits for it', async () => {
  const { ledger, observer, other } = await openWithPlantedFault();
  // The writer opens only after the reader has closed.
  await ledger.reads.end();
  await expect(ledger.commit([ask('b')])).rejects.toThrow('planted');
  other.exec('DROP TRIGGER planted');
  const store = ledger.createStore({ ...DEFAULT_STORE, storeId: 8n });
  const batch = ledger.commit([ask('b')]);
  expect(await store).toMatchObject({ storeId: 8n });
  expect(await batch).toMatchObject([{ replayed: false, allocation: { orderId: 2n } }]);
  expect(observer.lines.filter((line) => line === 'opened')).toHaveLength(2);
});

it('P4: opening waits while another process reads an old state, and reports it once', async () => {
  const { ledger, observer, other } = await openWithPlantedFault();
  other.exec('BEGIN; SELECT * FROM allocations');
  await expect(ledger.commit([ask('b')])).rejects.toThrow('planted');
  await vi.waitFor(() => expect(observer.lines).toHaveLength(3));
  expect(observer.lines[2]).toMatch(/^waiting: .*another process is reading an old state/);
  other.exec('COMMIT; DROP TRIGGER planted');
  await ledger.ready();
  expect(observer.lines.slice(3)).toEqual(['opened']);
  expect(await ledger.commit([ask('b')])).toMatchObject([{ allocation: { orderId: 2n } }]);
});

it('P9: a ledger behind its mark never becomes ready, and the operator gets the reason', async () => {
  const path = newPath();
  const first = openLedger(path);
  await first.ledger.ready();
  await first.ledger.commit([ask('a')]);
  await first.close();
  const db = connect(path);
  db.exec('DELETE FROM allocations; UPDATE ledger SET last_order_id = 0');
  db.close();
  const { ledger, observer } = openLedger(path);
  await expect(ledger.ready()).rejects.toMatchObject({ reason: 'LEDGER_DAMAGED' });
  expect(observer.lines).toEqual(['failed']);
  expect(observer.failure?.cause).toMatchObject({ errorName: 'LedgerRefused', message: /was already given/ });
});

it('P9: a warning on opening reaches the observer', async () => {
  const path = newPath();
  const first = openLedger(path);
  await first.ledger.ready();
  await first.close();
  truncateSync(`${path}.mark`, 10);
  const { ledger, observer } = openLedger(path);
  await ledger.ready();
  expect(observer.lines).toEqual([expect.stringMatching(/^warning: the high-water mark .* was torn/), 'opened']);
});

it('P8: a second ledger on the same file is refused at once; closing the first frees the file', async () => {
  const path = newPath();
  const { ledger, close } = openLedger(path);
  expect(() => new SqliteLedger(path, { autoCreateStores: true }, new RecordingObserver())).toThrow(LedgerRefused);
  await ledger.ready();
  await close();
  const again = openLedger(path).ledger;
  await again.ready();
});

it('P4: a closed ledger is complete in its single file', async () => {
  const path = newPath();
  const { ledger, close } = openLedger(path);
  await ledger.ready();
  await ledger.commit([ask('a')]);
  await close();
  expect(walSize(path)).toBe(0);
});

it('P10: a long WAL is moved into the database and restarts while numbering continues', async () => {
  const path = newPath();
  const { ledger, observer } = openLedger(path);
  await ledger.ready();
  // Were it never moved, the WAL would grow with each commit. Restarted, it is written from its beginning again.
  let longest = 0;
  let i = 0;
  do {
    longest = walSize(path);
    // Long keys, spread over the index, so that a commit touches many pages.
    await ledger.commit(Array.from({ length: 1000 }, (_, k) => ask(`${k}-${i}`.padEnd(128, 'x'))));
  } while (++i < 400 && walSize(path) > longest);
  expect(i).toBeLessThan(400);
  expect(statSync(path).size).toBeGreaterThan(2 ** 20);
  expect(observer.lines).toEqual(['opened']);
});

it('P4 P8: a restarted server serves at once beside a reader of an old state, and the WAL is removed when that ends', async () => {
  const path = newPath();
  const first = openLedger(path);
  await first.ledger.ready();
  await first.ledger.commit([ask('a')]);
  const reader = connect(path);
  reader.exec('BEGIN; SELECT * FROM allocations');
  await first.ledger.commit([ask('b')]);
  await first.close();
  expect(walSize(path)).toBeGreaterThan(0);

  const second = openLedger(path);
  const began = performance.now();
  await second.ledger.ready();
  expect(performance.now() - began).toBeLessThan(10_000);
  expect(second.observer.lines).toEqual(['opened']);
  expect(await second.ledger.commit([ask('b'), ask('c')])).toMatchObject([
    { replayed: true, allocation: { orderId: 2n } },
    { replayed: false, allocation: { orderId: 3n, orderNumber: 102n } },
  ]);
  expect(reader.prepare('SELECT count(*) FROM allocations').pluck().get()).toBe(1);
  reader.exec('COMMIT');
  reader.close();
  await second.close();
  expect(walSize(path)).toBe(0);
  expect(assertDense(path).map((row) => row.request_id)).toEqual(['a', 'b', 'c']);
});

/** A trigger that fails each new row with SQLITE_FULL, as a full disk does: the last rowid is taken. */
const FULL = `
  CREATE TABLE taken (id INTEGER PRIMARY KEY AUTOINCREMENT);
  INSERT INTO taken VALUES (9223372036854775807);
  CREATE TRIGGER planted BEFORE INSERT ON allocations BEGIN INSERT INTO taken (id) VALUES (NULL); END`;

it('P7: LEDGER_FULL is reported only if the end of the ledger has not moved', async () => {
  const path = newPath();
  const { ledger } = openLedger(path);
  await ledger.ready();
  await ledger.commit([ask('a')]);
  const other = connect(path);
  other.exec(FULL);
  await expect(ledger.commit([ask('b')])).rejects.toMatchObject({ reason: 'LEDGER_FULL' });
  await ledger.ready();
  // As if the failed commit was recovered after all.
  other.exec('UPDATE ledger SET last_order_id = last_order_id + 1');
  const failure = await ledger.commit([ask('c')]).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'SQLITE_FULL' });
  expect(failure).not.toHaveProperty('reason');
});

it('P8: the lock is held until the writer has closed the file', async () => {
  const path = newPath();
  const { ledger, close } = openLedger(path);
  await ledger.ready();
  for (let i = 0; i < 20; i++) await ledger.commit([ask(`k${i}`)]);
  const files = locateLedger(path);
  const closed = close();
  for (;;) {
    try {
      takeFence(files).release();
      break;
    } catch (error) {
      if (!(error instanceof LedgerRefused)) throw error;
      await nextTurn();
    }
  }
  // The writer's last act.
  expect(existsSync(`${path}-wal`)).toBe(false);
  await closed;
});

it.each([
  ['a text', '# README\n'.repeat(1000)],
  ['a short text', 'xy'],
])('a file that is %s is refused, and nothing is created beside it', (_, text) => {
  const path = newPath();
  writeFileSync(path, text);
  const open = () => new SqliteLedger(path, { autoCreateStores: true }, new RecordingObserver());
  expect(open).toThrow(LedgerRefused);
  expect(open).toThrow(/not an SQLite database/);
  expect(readdirSync(dirname(path))).toEqual(['orders.db']);
  expect(readFileSync(path, 'utf8')).toBe(text);
});

it('a database of another program is refused, and nothing is created beside it', () => {
  const path = newPath();
  const other = new Database(path);
  other.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (a)');
  other.close();
  const bytes = readFileSync(path);
  expect(() => new SqliteLedger(path, { autoCreateStores: true }, new RecordingObserver())).toThrow(/another program/);
  expect(readdirSync(dirname(path))).toEqual(['orders.db']);
  expect(readFileSync(path).equals(bytes)).toBe(true);
});

it('P1 P9: a writer thread that dies while the files are removed is no reason to create a new ledger', async () => {
  const path = newPath();
  const threads: Worker[] = [];
  const onWorker = (thread: Worker) => void threads.push(thread);
  process.on('worker', onWorker);
  onTestFinished(() => void process.off('worker', onWorker));
  const { ledger, observer } = openLedger(path);
  await ledger.ready();
  await ledger.commit([ask('one')]);
  await threads[0]!.terminate();
  for (const file of [path, `${path}-wal`, `${path}.mark`]) rmSync(file, { force: true });
  await expect(ledger.commit([ask('two')])).rejects.toThrow('the ledger is not open');
  await expect(ledger.ready()).rejects.toThrow('until its operator acts');
  expect(String(observer.failure?.cause)).toContain(path);
  expect(existsSync(path)).toBe(false);
});
