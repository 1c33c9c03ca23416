import { chmodSync } from 'node:fs';
import { verifyPostgresLedger } from '../../src/engines/postgres/operator/verify-database.ts';
import { PostgresCluster } from '../../test/support/postgres/cluster/cluster.ts';
import { runChild } from '../processes/child-process.ts';
import type { LoadResult } from '../ghz.ts';
import { runGhz } from '../ghz.ts';
import { ServerProcess } from '../processes/server-process.ts';
import type { Spread } from '../statistics.ts';
import { spread } from '../statistics.ts';

/** Also the number of load generators, each with one connection and its share of the calls; the same for one server. */
const SERVERS = 4;
const LEVELS = [64, 400] as const;
const CALLS = 40_000;
/** One call per order is slow, so it gets this share of the calls. */
const HOT_ROW_SHARE = 0.2;

const PEERS = ['hotRow', 'oneServer', 'fourServers'] as const;
type Peer = (typeof PEERS)[number];

export interface PostgresOptions {
  readonly rounds: number;
  /** Folder for the database. */
  readonly folder: string;
  progress(line: string): void;
}

/** One level of calls in flight. */
export interface PostgresLevel {
  readonly inFlight: number;
  readonly rps: Readonly<Record<Peer, Spread>>;
  /** The highest of all generators, in milliseconds. */
  readonly p50Ms: Readonly<Record<Peer, Spread>>;
  readonly p99Ms: Readonly<Record<Peer, Spread>>;
  /** Ratio within each round. */
  readonly oneToHotRow: Spread;
  readonly fourToOne: Spread;
}

export interface PostgresThroughput {
  readonly version: string;
  readonly rounds: number;
  readonly levels: readonly PostgresLevel[];
  /** Calls answered by servers; each has its number. */
  readonly answered: number;
}

type Runs = Map<string, LoadResult[]>;

/**
 * Measures one function call per order, one server and four servers in alternation, on one PostgreSQL with a database
 * for each peer. A warm-up round does not count.
 */
export async function measurePostgres({ rounds, folder, progress }: PostgresOptions): Promise<PostgresThroughput> {
  // PostgreSQL runs as a user of its own, which needs access.
  chmodSync(folder, 0o755);
  const cluster = await PostgresCluster.start({
    folder,
    settings: { shared_buffers: '512MB', max_wal_size: '4GB', max_connections: '200' },
  });
  try {
    const urls: Record<Peer, string> = { hotRow: '', oneServer: '', fourServers: '' };
    for (const peer of PEERS) {
      await cluster.query(`CREATE DATABASE ${peer.toLowerCase()}`);
      urls[peer] = cluster.url(peer.toLowerCase());
    }
    const one = await ServerProcess.serve(urls.oneServer);
    const four = await Promise.all(Array.from({ length: SERVERS }, () => ServerProcess.serve(urls.fourServers)));
    await (await ServerProcess.serve(urls.hotRow)).stop();
    const run = async (peer: Peer, inFlight: number): Promise<LoadResult> => {
      if (peer === 'hotRow') return runHotRow(urls.hotRow, inFlight);
      return runServers(peer === 'oneServer' ? four.map(() => one) : four, inFlight);
    };
    const runs: Runs = new Map();
    for (let round = 0; round <= rounds; round++) {
      for (const inFlight of LEVELS) {
        for (const peer of round % 2 === 0 ? PEERS : PEERS.toReversed()) {
          const result = await run(peer, inFlight);
          if (round > 0) runs.set(`${peer} ${inFlight}`, [...(runs.get(`${peer} ${inFlight}`) ?? []), result]);
          progress(`round ${round} of ${rounds}, ${inFlight} in flight: ${peer} ${Math.round(result.rps)}/s`);
        }
      }
    }
    for (const server of [one, ...four]) await server.stop();
    progress('checking for gaps');
    const answered = (rounds + 1) * LEVELS.length * CALLS;
    await requireRows(urls.oneServer, answered);
    await requireRows(urls.fourServers, answered);
    const [version] = await cluster.query('SHOW server_version');
    const levels = LEVELS.map((inFlight) => summary(runs, inFlight));
    return { version: String(version?.['server_version']), rounds, levels, answered: 2 * answered };
  } finally {
    await cluster.close();
  }
}

async function runHotRow(url: string, inFlight: number): Promise<LoadResult> {
  const calls = String(CALLS * HOT_ROW_SHARE);
  const { code, stdout, stderr } = await runChild(process.execPath, ['bench/hot-row.ts', url, String(inFlight), calls]);
  if (code !== 0) throw new Error(`hot-row.ts ended with ${code}: ${stderr.trim()}`);
  return JSON.parse(stdout) as LoadResult;
}

/** Runs one generator per server, and measures from the first start to the last end. */
async function runServers(servers: readonly ServerProcess[], inFlight: number): Promise<LoadResult> {
  const load = { inFlight: inFlight / servers.length, calls: CALLS / servers.length };
  const results = await Promise.all(servers.map(({ address }) => runGhz({ address, ...load })));
  return {
    calls: CALLS,
    // The slowest generator counts: adding up the rates would give more than the servers ever did at once.
    rps: CALLS / Math.max(...results.map(({ calls, rps }) => calls / rps)),
    p50Ms: Math.max(...results.map(({ p50Ms }) => p50Ms)),
    p99Ms: Math.max(...results.map(({ p99Ms }) => p99Ms)),
  };
}

async function requireRows(url: string, answered: number): Promise<void> {
  for await (const event of verifyPostgresLedger(url, undefined)) {
    if (event.kind !== 'verdict') continue;
    if (event.ok && event.rows === BigInt(answered)) return;
    throw new Error(
      `${answered} calls were answered, but the ledger has ${event.rows} rows and ${event.findings} findings`,
    );
  }
  throw new Error('the verification ended without a verdict');
}

function summary(runs: Runs, inFlight: number): PostgresLevel {
  const of = (peer: Peer, value: (result: LoadResult) => number) => (runs.get(`${peer} ${inFlight}`) ?? []).map(value);
  const each = (value: (result: LoadResult) => number) => ({
    hotRow: spread(of('hotRow', value)),
    oneServer: spread(of('oneServer', value)),
    fourServers: spread(of('fourServers', value)),
  });
  const rps = (peer: Peer) => of(peer, (result) => result.rps);
  const ratios = (peer: Peer, to: Peer) => spread(rps(peer).map((value, round) => value / rps(to)[round]!));
  return {
    inFlight,
    rps: each((result) => result.rps),
    p50Ms: each((result) => result.p50Ms),
    p99Ms: each((result) => result.p99Ms),
    oneToHotRow: ratios('oneServer', 'hotRow'),
    fourToOne: ratios('fourServers', 'oneServer'),
  };
}
