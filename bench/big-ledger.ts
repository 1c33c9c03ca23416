import type { ChildProcess } from 'node:child_process';
import { closeSync, fsyncSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { openWriteConnection } from '../src/engines/sqlite/connection.ts';
import { HighWaterMark } from '../src/engines/sqlite/high-water-mark.ts';
import { locateLedger } from '../src/engines/sqlite/ledger-files.ts';
import { migrate } from '../src/engines/sqlite/schema.ts';
import { endChild, startChild } from './child-process.ts';
import { checkDensity } from './density.ts';
import { ghzArguments, runGhz } from './ghz.ts';
import { ServerProcess } from './server-process.ts';
import type { Spread } from './statistics.ts';
import { spread } from './statistics.ts';

const STARTS = 5;
const STORES = 1000n;
/** A server is killed when its WAL has at least this. */
const WAL_BYTES = 4 * 1024 * 1024;

export interface BigLedgerOptions {
  /** Allocations in the ledger before the first start. */
  readonly rows: number;
  /** Where the ledger goes. */
  readonly folder: string;
  progress(line: string): void;
}

/** How long the real command takes from its spawn to the log line "serving". */
export interface BigLedger {
  readonly rows: number;
  readonly databaseBytes: number;
  readonly startMs: Spread;
  /** After kill -9 under load. */
  readonly startAfterKillMs: Spread;
  /** Size of the WAL that the killed servers left. */
  readonly walBytes: Spread;
}

/** Makes a ledger of many rows, starts the real command on it, kills it, starts it again, checks the ledger. */
export async function measureBigLedger({ rows, folder, progress }: BigLedgerOptions): Promise<BigLedger> {
  const ledger = join(folder, 'big.db');
  progress(`making a ledger of ${rows} rows`);
  makeLedger(ledger, rows);
  const databaseBytes = statSync(ledger).size;

  const starts: number[] = [];
  const startsAfterKill: number[] = [];
  const walBytes: number[] = [];
  let answered = 0;
  /** Starts it, allocates one number and says how long the start took. */
  const start = async () => {
    const server = await ServerProcess.serve(ledger);
    answered += (await runGhz({ address: server.address, inFlight: 1, calls: 1 })).calls;
    return server;
  };
  for (let i = 1; i <= STARTS; i++) {
    const server = await start();
    starts.push(server.startMs);
    progress(`start ${i} of ${STARTS}: ${Math.round(server.startMs)} ms`);
    await server.stop();
  }
  for (let i = 1; i <= STARTS; i++) {
    walBytes.push(await killUnderLoad(await start(), ledger));
    const server = await start();
    startsAfterKill.push(server.startMs);
    progress(`start ${i} of ${STARTS} after kill -9: ${Math.round(server.startMs)} ms`);
    await server.stop();
  }
  progress('checking that no number is missing');
  const allocations = checkDensity(ledger);
  if (allocations < rows + answered) {
    throw new Error(`${rows + answered} numbers were given, but the ledger has ${allocations} allocations`);
  }
  return {
    rows,
    databaseBytes,
    startMs: spread(starts),
    startAfterKillMs: spread(startsAfterKill),
    walBytes: spread(walBytes),
  };
}

/** Kills a server while it commits, as soon as its WAL is long, and returns the size of the WAL. */
async function killUnderLoad(server: ServerProcess, ledger: string): Promise<number> {
  const load = startChild('ghz', ghzArguments({ address: server.address, inFlight: 400, calls: 1_000_000 }));
  try {
    await walReaches(`${ledger}-wal`, WAL_BYTES, load);
    await server.kill();
    return statSync(`${ledger}-wal`).size;
  } finally {
    await endChild(load, 'SIGKILL');
  }
}

async function walReaches(wal: string, bytes: number, load: ChildProcess): Promise<void> {
  while ((statSync(wal, { throwIfNoEntry: false })?.size ?? 0) < bytes) {
    if (load.exitCode !== null) throw new Error('ghz ended before the WAL was long');
    await delay(10);
  }
}

/**
 * Writes a ledger as the server would have, by one SQL statement and not durably, until it is whole:
 * stores in turn, request ids in the order of time as UUIDv7 are, counters and mark at the end.
 */
function makeLedger(path: string, rows: number): void {
  const files = locateLedger(path);
  const db = new Database(files.database);
  db.defaultSafeIntegers(true);
  db.pragma('journal_mode = OFF');
  db.pragma('synchronous = OFF');
  db.pragma('cache_size = -262144');
  migrate(db);
  const since = Date.now() - rows;
  db.prepare(
    `WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :rows)
     INSERT INTO allocations
       (order_id, store_id, order_number, count, request_id, create_time_ms, prefix, suffix, min_digits)
     SELECT i + 1, i % :stores + 1, i / :stores + 100, 1,
            printf('%08x-%04x-7%03x-%04x-%012x', (:since + i) >> 16, (:since + i) & 0xffff,
                   random() & 0xfff, random() & 0x3fff | 0x8000, random() & 0xffffffffffff),
            :since + i, '', '', 0
     FROM n`,
  ).run({ rows: BigInt(rows), stores: STORES, since: BigInt(since) });
  db.exec(
    `INSERT INTO stores (store_id, first_number, last_number, create_time_ms)
     SELECT store_id, 100, max(order_number), min(create_time_ms) FROM allocations GROUP BY store_id`,
  );
  db.prepare('UPDATE ledger SET last_order_id = ?, last_create_time_ms = ?').run(
    BigInt(rows),
    BigInt(since + rows - 1),
  );
  const ledgerId = db.prepare<[], string>('SELECT ledger_id FROM ledger').pluck().get();
  db.close();
  if (ledgerId === undefined) throw new Error('the new ledger has no ledger_id');

  // On disk before anything is measured. No connection is open, so no lock is lost by this.
  const file = openSync(files.database, 'r+');
  fsyncSync(file);
  closeSync(file);
  openWriteConnection(files.database).close();
  new HighWaterMark(files.mark, { ledgerId, lastOrderId: BigInt(rows) }).close();
}
