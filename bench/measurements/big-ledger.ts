import type { ChildProcess } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endChild, startChild } from '../processes/child-process.ts';
import { checkDensity } from '../ledgers/density.ts';
import { makeLedger } from '../ledgers/make-ledger.ts';
import { ghzArguments, runGhz } from '../ghz.ts';
import { ServerProcess } from '../processes/server-process.ts';
import type { Spread } from '../statistics.ts';
import { spread } from '../statistics.ts';

const STARTS = 5;
const STORES = 1000;
/** A server is killed once its WAL has at least this size. */
const WAL_BYTES = 4 * 1024 * 1024;

export interface BigLedgerOptions {
  /** Allocations in the ledger before the first start. */
  readonly rows: number;
  /** Folder for the ledger. */
  readonly folder: string;
  progress(line: string): void;
}

/** The time from the spawn of the real command to its log line "serving". */
export interface BigLedger {
  readonly rows: number;
  readonly databaseBytes: number;
  readonly startMs: Spread;
  /** After kill -9 under load. */
  readonly startAfterKillMs: Spread;
  /** Size of the WAL that the killed servers left behind. */
  readonly walBytes: Spread;
}

/** Creates a ledger of many rows, starts the real command on it, kills it, restarts it, and checks the ledger. */
export async function measureBigLedger({ rows, folder, progress }: BigLedgerOptions): Promise<BigLedger> {
  const ledger = join(folder, 'big.db');
  progress(`creating a ledger of ${rows} rows`);
  makeLedger(ledger, { rows, stores: STORES });
  const databaseBytes = statSync(ledger).size;

  const starts: number[] = [];
  const startsAfterKill: number[] = [];
  const walBytes: number[] = [];
  let answered = 0;
  /** Starts the server and allocates one number. */
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
  progress('checking for gaps');
  const allocations = checkDensity(ledger);
  if (allocations < rows + answered) {
    throw new Error(`${rows + answered} numbers were allocated, but the ledger has ${allocations} allocations`);
  }
  return {
    rows,
    databaseBytes,
    startMs: spread(starts),
    startAfterKillMs: spread(startsAfterKill),
    walBytes: spread(walBytes),
  };
}

/** Kills a server while it commits, as soon as its WAL is large, and returns the size of the WAL. */
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
    if (load.exitCode !== null) throw new Error('ghz ended before the WAL was large enough');
    await delay(10);
  }
}
