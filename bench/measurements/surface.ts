import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { endChild, runChild, startChild } from '../processes/child-process.ts';
import { checkDensity } from '../ledgers/density.ts';
import { runGhz } from '../ghz.ts';
import { makeLedger } from '../ledgers/make-ledger.ts';
import type { ResidentMemory } from '../processes/server-process.ts';
import { ServerProcess } from '../processes/server-process.ts';
import type { Spread } from '../statistics.ts';
import { spread } from '../statistics.ts';

const ROWS = 1_000_000;
const WATCHERS = 50;
const IN_FLIGHT = 64;
const CALLS = 30_000;
/** The command of the original sample's README, except for the address. */
const AUTOCANNON =
  '-m POST --header Content-Type:application/json --body {"store_id":4578} --connections 10 --duration 10 --pipelining 1 --json';

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

/** The figures of reads, watchers and the HTTP endpoint. */
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
  /** Allocations per second with and without one watcher per store, in alternation. */
  readonly watching: {
    readonly watchers: number;
    readonly without: Spread;
    readonly with: Spread;
    readonly ratio: Spread;
    /** How long after its create_time an allocation reached its watcher: maximum and mean. */
    readonly latestMs: number;
    readonly meanMs: number;
  };
  readonly http: {
    readonly requests: number;
    readonly failed: number;
    readonly rps: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
  };
}

export async function measureSurface({ rounds, folder, progress }: SurfaceOptions): Promise<Surface> {
  const { readings, server } = await measureReadings(folder, progress);
  const watching = await measureWatching(folder, rounds, progress);
  const http = await measureHttp(folder, progress);
  return { readings, server, watching, http };
}

async function measureReadings(folder: string, progress: (line: string) => void) {
  const ledger = join(folder, 'readings.db');
  progress(`creating a ledger of ${ROWS} rows`);
  makeLedger(ledger, { rows: ROWS, stores: 1000 });
  const server = await ServerProcess.serve(ledger);
  progress('listing, watching and verifying it');
  const { code, stdout, stderr } = await runChild(process.execPath, ['bench/programs/read-all.ts', server.address]);
  if (code !== 0) throw new Error(`read-all.ts ended with ${code}: ${stderr.trim()}`);
  const memory = server.residentMemory();
  await server.stop();
  if (!memory) throw new Error('memory can only be measured on Linux');
  return { readings: JSON.parse(stdout) as Surface['readings'], server: memory };
}

async function measureWatching(folder: string, rounds: number, progress: (line: string) => void) {
  const ledger = join(folder, 'watching.db');
  const server = await ServerProcess.serve(ledger);
  const load = { address: server.address, inFlight: IN_FLIGHT, calls: CALLS, stores: WATCHERS };
  await runGhz(load);
  const rates: Record<'without' | 'with', number[]> = { without: [], with: [] };
  const lates: { latestMs: number; meanMs: number }[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const kind of round % 2 === 0 ? (['without', 'with'] as const) : (['with', 'without'] as const)) {
      const watchers = kind === 'with' ? await startWatchers(server.address) : undefined;
      const { rps } = await runGhz(load);
      rates[kind].push(rps);
      if (watchers) lates.push(await watchers.end());
      progress(`round ${round} of ${rounds}: ${Math.round(rps)}/s ${kind} ${WATCHERS} watchers`);
    }
  }
  await server.stop();
  checkDensity(ledger);
  return {
    watchers: WATCHERS,
    without: spread(rates.without),
    with: spread(rates.with),
    ratio: spread(rates.with.map((rps, round) => rps / rates.without[round]!)),
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

async function measureHttp(folder: string, progress: (line: string) => void): Promise<Surface['http']> {
  const ledger = join(folder, 'http.db');
  const server = await ServerProcess.serve(ledger, '--http-listen', '127.0.0.1:0');
  const url = `http://${server.http}/api/generateOrderNumber`;
  progress("the original sample's autocannon command");
  const { code, stdout, stderr } = await runChild('node_modules/.bin/autocannon', [url, ...AUTOCANNON.split(' ')]);
  if (code !== 0) throw new Error(`autocannon ended with ${code}: ${stderr.trim()}`);
  const result = JSON.parse(stdout) as {
    requests: { average: number; total: number };
    latency: { p50: number; p99: number };
    errors: number;
    timeouts: number;
    non2xx: number;
  };
  await server.stop();
  checkDensity(ledger);
  return {
    requests: result.requests.total,
    failed: result.errors + result.timeouts + result.non2xx,
    rps: result.requests.average,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
  };
}
