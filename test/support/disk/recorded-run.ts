import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { backupLedger } from '../../../src/engines/sqlite/operator/backup.ts';
import { checkpoint } from '../../../src/engines/sqlite/file/checkpoint.ts';
import { openWriteConnection } from '../../../src/engines/sqlite/file/connection.ts';
import { takeFence } from '../../../src/engines/sqlite/file/fence.ts';
import { locateLedger } from '../../../src/engines/sqlite/file/ledger-files.ts';
import { packRequests, unpackOutcomes } from '../../../src/engines/sqlite/threads/packed-batch.ts';
import { Writer } from '../../../src/engines/sqlite/threads/writer.ts';
import { DEFAULT_STORE } from '../../../src/core/store.ts';

// A program: the life of a small ledger at the path it is given, with everything that changes its files, for
// write-recorder.c. What a caller would have been told is written to the file .told: `key order_id` a line, and
// `prefix P` of store 9 after `asked P`.
// The backups .backup-0, .backup-1, … are made in between. It ends as if it was killed.

const files = locateLedger(process.argv[2]!);
const fence = takeFence(files);
const STORES = 300;
let keys = 0;
let backups = 0;

function open(): Writer {
  const writer = new Writer({ files, autoCreateStores: true, expected: undefined, lock: fence.identity });
  if (writer.open({ atStart: true }) === 'busy') throw new Error('busy');
  return writer;
}

function tell(lines: string): void {
  appendFileSync(`${files.database}.told`, lines);
}

/** Numbers for new keys, in the stores that the last page of their table has. */
function give(writer: Writer, count: number, times = 1): void {
  for (let i = 0; i < times; i++) {
    commit(
      writer,
      Array.from({ length: count }, (_, n) => BigInt(STORES - (n % 3))),
    );
  }
}

/** One number in each of these stores, for keys that spread over the whole index. */
function commit(writer: Writer, stores: readonly bigint[]): void {
  const batch = stores.map((storeId) => {
    const requestId = `${String((keys * 7919) % 10007).padStart(100, '0')}-${keys++}`;
    return { storeId, requestId, count: 1, caller: '' };
  });
  const { outcomes } = writer.commit(packRequests(batch));
  const lines = unpackOutcomes(outcomes, batch).map((outcome) => {
    if ('refused' in outcome) throw outcome.refused;
    return `${outcome.allocation.requestId} ${outcome.allocation.orderId}\n`;
  });
  tell(lines.join(''));
}

function style(writer: Writer, prefix: string): void {
  tell(`asked ${prefix}\n`);
  writer.updateStore(9n, { prefix });
  tell(`prefix ${prefix}\n`);
}

/** As the checkpointer thread does it; `meanwhile` something may be committed. */
function checkpointWith(writer: Writer, meanwhile: () => void = () => {}): void {
  const db = openWriteConnection(files.database);
  writer.beginPass();
  checkpoint(db, 'PASSIVE');
  meanwhile();
  writer.finishCheckpoint();
  db.close();
}

/** Two copies of the ledger as it is now: as `backup` makes it, and the file itself with its WAL moved into it. */
async function backup(): Promise<void> {
  await backupLedger(files.database, `${files.database}.backup-${backups}`, { force: false });
  tell(`backup ${backups++}\n`);
  const copy = `${files.database}.backup-${backups}`;
  // Another process copies: see locateLedger.
  execFileSync('cp', [files.database, copy]);
  if (existsSync(`${files.database}-wal`)) execFileSync('cp', [`${files.database}-wal`, `${copy}-wal`]);
  const db = new Database(copy);
  db.prepare('SELECT 1 FROM ledger').get();
  db.close();
  tell(`backup ${backups++}\n`);
}

async function live(): Promise<void> {
  let writer = open();
  // Many pages, of which a later commit touches few.
  commit(
    writer,
    Array.from({ length: 2 * STORES }, (_, n) => BigInt(1 + (n % STORES))),
  );
  await backup();
  checkpointWith(writer, () => give(writer, 2));
  give(writer, 3, 2);
  await backup();
  writer.createStore({ ...DEFAULT_STORE, storeId: 1000n });
  style(writer, 'A'.repeat(20));
  checkpointWith(writer);
  await backup();
  style(writer, 'C');
  checkpointWith(writer);
  give(writer, 3);
  await backup();
  give(writer, 3);
  checkpointWith(writer, () => give(writer, 1));
  give(writer, 1, 2);
  writer.close();
  await backup();
  writer = open();
  give(writer, 2, 2);
  // A long read keeps the checkpoint incomplete.
  const reader = new Database(files.database, { readonly: true });
  reader.exec('BEGIN; SELECT * FROM ledger');
  give(writer, 2);
  checkpointWith(writer);
  give(writer, 2);
  reader.close();
  checkpointWith(writer);
  give(writer, 2, 2);
}

/** After a kill: what is in the WAL has to be found. */
function goOn(): void {
  keys = 5000;
  const writer = open();
  give(writer, 2, 2);
  checkpointWith(writer);
  style(writer, 'B');
  give(writer, 2);
}

/** The fsync of its last commit fails, and it is killed before it can react. */
function failSync(): void {
  const writer = open();
  give(writer, 3, 2);
  writeFileSync(`${files.database}.fails`, '');
  keys = 6000;
  try {
    give(writer, 3);
  } catch {
    return;
  }
  throw new Error('the commit did not fail');
}

/** Retries what failed, and numbers 100 more. */
function replay(): void {
  keys = 6000;
  const writer = open();
  give(writer, 3);
  give(writer, 1, 100);
}

/** Opens the ledger of an older release, which upgrades it. */
function upgrade(): void {
  const writer = open();
  give(writer, 2, 2);
  checkpointWith(writer);
  give(writer, 2);
}

const phases: Readonly<Record<string, () => void | Promise<void>>> = {
  lives: live,
  'goes on': goOn,
  'fails a sync': failSync,
  replays: replay,
  upgrades: upgrade,
};
await phases[process.argv[3]!]!();
process.kill(process.pid, 'SIGKILL');
