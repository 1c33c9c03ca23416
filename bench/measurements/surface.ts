import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { endChild, runChild, startChild } from '../processes/child-process.ts';
import { requireAnswers, startClient } from '../generators/client-load.ts';
import { requireAllocations } from '../ledgers/density.ts';
import { makeLedger } from '../ledgers/make-ledger.ts';
import type { ResidentMemory } from '../processes/server-process.ts';
import { ServerProcess } from '../processes/server-process.ts';
import type { Spread } from '../statistics.ts';
import { spread } from '../statistics.ts';

const ROWS = 1_000_000;
const WATCHERS = 50;
const IN_FLIGHT = 64;
const ORDERS = 30_000;

export interface SurfaceOptions {
  readonly rounds: number;
  /** Folder for the ledgers. */
  readonly folder: string;
  progress(line: string): void;
}

interface Reading {
  readonly allocations: number;
  readonly ms: number;
}

/** The figures of reads and watchers. */
export interface Surface {
  /** A million allocations read by one client, in a process of its own. */
  readonly readings: {
    readonly listed: Reading;
    readonly watched: Reading;
    readonly verified: Reading;
    readonly peakBytes: number;
  };
  /** The server's memory after that. */
  readonly server: ResidentMemory;
  /** With one call per order, and with combined orders, of which watchers see several times as many. */
  readonly watching: Watching;
  readonly watchingCombined: Watching;
}

/** Allocations per second with and without one watcher per store, in alternation. */
export interface Watching {
  readonly watchers: number;
  readonly without: Spread;
  readonly with: Spread;
  readonly ratio: Spread;
  /** How long after its create_time an allocation reached its watcher: maximum and mean. */
  readonly latestMs: number;
  readonly meanMs: number;
}

export async function measureSurface({ rounds, folder, progress }: SurfaceOptions): Promise<Surface> {
  const { readings, server } = await measureReadings(folder, progress);
  const watching = await measureWatching(folder, rounds, false, progress);
  const watchingCombined = await measureWatching(folder, rounds, true, progress);
  return { readings, server, watching, watchingCombined };
}

async function measureReadings(folder: string, progress: (line: string) => void) {
  const ledger = join(folder, 'readings.db');
  progress(`creating a ledger of ${ROWS} rows`);
  makeLedger(ledger, { rows: ROWS, stores: 1000 });
  const server = await ServerProcess.serve(ledger);
  progress('listing, watching and verifying it');
  const { code, stdout, stderr } = await runChild(process.execPath, ['bench/programs/read-all.ts', server.address]);
  if (code !== 0) throw new Error(`read-all.ts ended with ${code}: ${stderr.trim()}`);
  const memory = server.requireMemory();
  await server.stop();
  return { readings: JSON.parse(stdout) as Surface['readings'], server: memory };
}

async function measureWatching(
  folder: string,
  rounds: number,
  combine: boolean,
  progress: (line: string) => void,
): Promise<Watching> {
  const ledger = join(folder, combine ? 'watching-combined.db' : 'watching.db');
  const server = await ServerProcess.serve(ledger);
  const client = startClient(server.address, { combine });
  let answered = 0;
  const load = async () => {
    const result = await client.ask({ inFlight: IN_FLIGHT, orders: ORDERS, stores: WATCHERS });
    requireAnswers(result, ORDERS);
    answered += ORDERS;
    return (ORDERS / result.ms) * 1000;
  };
  await load();
  const rates: Record<'without' | 'with', number[]> = { without: [], with: [] };
  const lates: { latestMs: number; meanMs: number }[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const kind of round % 2 === 0 ? (['without', 'with'] as const) : (['with', 'without'] as const)) {
      const watchers = kind === 'with' ? await startWatchers(server.address) : undefined;
      const perSecond = await load();
      rates[kind].push(perSecond);
      if (watchers) lates.push(await watchers.end());
      progress(`round ${round} of ${rounds}: ${Math.round(perSecond)}/s ${kind} ${WATCHERS} watchers`);
    }
  }
  await client.end();
  await server.stop();
  requireAllocations(ledger, answered);
  return {
    watchers: WATCHERS,
    without: spread(rates.without),
    with: spread(rates.with),
    ratio: spread(rates.with.map((perSecond, round) => perSecond / rates.without[round]!)),
    latestMs: Math.max(...lates.map(({ latestMs }) => latestMs)),
    meanMs: spread(lates.map(({ meanMs }) => meanMs)).median,
  };
}

/** Resolves when every watcher has received its first message. */
async function startWatchers(address: string) {
  const child = startChild(process.execPath, ['bench/programs/watchers.ts', address, String(WATCHERS)]);
  const lines = createInterface({ input: child.stdout! });
  await once(lines, 'line');
  return {
    async end(): Promise<{ seen: number; latestMs: number; meanMs: number }> {
      const said = once(lines, 'line');
      const ended = endChild(child, 'SIGTERM');
      const [line] = (await said) as [string];
      await ended;
      const result = JSON.parse(line) as { seen: number; latestMs: number; meanMs: number };
      if (result.seen === 0) throw new Error('the watchers saw nothing');
      return result;
    },
  };
}
