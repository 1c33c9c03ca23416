import { chmodSync } from 'node:fs';
import { verifyPostgresLedger } from '../../src/engines/postgres/operator/verify-database.ts';
import { PostgresCluster } from '../../test/support/postgres/cluster/cluster.ts';
import type { UnaryResult } from '../generators/h2load.ts';
import { missingH2load, runClosedLoop } from '../generators/h2load.ts';
import { ONE_ORDER } from '../ours/unary-peers.ts';
import { ServerProcess } from '../processes/server-process.ts';
import type { Spread } from '../statistics.ts';
import { spread } from '../statistics.ts';

/** Also the number of load generators, each with its share of the calls, whether they call one server or four. */
const SERVERS = 4;
const LEVELS = [64, 400] as const;
const CALLS = 40_000;

const PEERS = ['oneServer', 'fourServers'] as const;
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
  readonly perSecond: Readonly<Record<Peer, Spread>>;
  /** The highest of all generators, in milliseconds. */
  readonly p50Ms: Readonly<Record<Peer, Spread>>;
  readonly p99Ms: Readonly<Record<Peer, Spread>>;
  /** Ratio within each round. */
  readonly fourToOne: Spread;
}

export interface PostgresThroughput {
  readonly version: string;
  readonly rounds: number;
  readonly levels: readonly PostgresLevel[];
  /** Calls answered by servers; each has its number. */
  readonly answered: number;
}

type Runs = Map<string, UnaryResult[]>;

/**
 * Measures one server and four servers in alternation, on one PostgreSQL with a database for each. Round 0 is a warm-up and
 * does not count.
 */
export async function measurePostgres({ rounds, folder, progress }: PostgresOptions): Promise<PostgresThroughput> {
  const missing = await missingH2load();
  if (missing !== undefined) throw new Error(missing);
  // PostgreSQL runs as a user of its own, which needs access.
  chmodSync(folder, 0o755);
  const cluster = await PostgresCluster.start({
    folder,
    settings: { shared_buffers: '512MB', max_wal_size: '4GB', max_connections: '200' },
  });
  try {
    const urls: Record<Peer, string> = { oneServer: '', fourServers: '' };
    for (const peer of PEERS) {
      await cluster.query(`CREATE DATABASE ${peer.toLowerCase()}`);
      urls[peer] = cluster.url(peer.toLowerCase());
    }
    const one = await ServerProcess.serve(urls.oneServer);
    const four = await Promise.all(Array.from({ length: SERVERS }, () => ServerProcess.serve(urls.fourServers)));
    const run = (peer: Peer, inFlight: number) =>
      runServers(peer === 'oneServer' ? four.map(() => one) : four, inFlight, folder);
    const runs: Runs = new Map();
    for (let round = 0; round <= rounds; round++) {
      for (const inFlight of LEVELS) {
        for (const peer of round % 2 === 0 ? PEERS : PEERS.toReversed()) {
          const result = await run(peer, inFlight);
          if (round > 0) runs.set(`${peer} ${inFlight}`, [...(runs.get(`${peer} ${inFlight}`) ?? []), result]);
          progress(`round ${round} of ${rounds}, ${inFlight} in flight: ${peer} ${Math.round(result.perSecond)}/s`);
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

/** Runs the generators of all servers side by side; the slowest one counts. */
async function runServers(servers: readonly ServerProcess[], inFlight: number, folder: string): Promise<UnaryResult> {
  const calls = CALLS / servers.length;
  const results = await Promise.all(
    servers.map(({ address }) => runClosedLoop({ address, ...ONE_ORDER, calls, folder }, inFlight / servers.length)),
  );
  const highest = (of: (result: UnaryResult) => number) => Math.max(...results.map(of));
  return {
    calls: CALLS,
    // Adding up the rates would give more than the servers ever did at once.
    perSecond: CALLS / highest((result) => result.calls / result.perSecond),
    p50Ms: highest(({ p50Ms }) => p50Ms),
    p99Ms: highest(({ p99Ms }) => p99Ms),
    generatorMicros: results.reduce((sum, { generatorMicros }) => sum + generatorMicros, 0) / results.length,
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
  const of = (peer: Peer, value: (result: UnaryResult) => number) => (runs.get(`${peer} ${inFlight}`) ?? []).map(value);
  const each = (value: (result: UnaryResult) => number) => ({
    oneServer: spread(of('oneServer', value)),
    fourServers: spread(of('fourServers', value)),
  });
  const one = of('oneServer', ({ perSecond }) => perSecond);
  return {
    inFlight,
    perSecond: each((result) => result.perSecond),
    p50Ms: each((result) => result.p50Ms),
    p99Ms: each((result) => result.p99Ms),
    fourToOne: spread(of('fourServers', ({ perSecond }) => perSecond).map((rate, round) => rate / one[round]!)),
  };
}
