import { join } from 'node:path';
import { runChild } from '../processes/child-process.ts';
import { requireAllocations } from '../ledgers/density.ts';
import type { LoadResult } from '../ghz.ts';
import { runGhz } from '../ghz.ts';
import type { ResidentMemory } from '../processes/server-process.ts';
import { ServerProcess } from '../processes/server-process.ts';
import type { Spread } from '../statistics.ts';
import { spread } from '../statistics.ts';

/** Calls per run, by the calls in flight: a few seconds per run, and 8 minutes in total. */
const CALLS_BY_LEVEL: Readonly<Record<number, number>> = { 1: 3000, 10: 15_000, 64: 30_000 };
const CALLS_ABOVE = 40_000;
/** One transaction per call is slow, so it gets this share of the calls. */
const ONE_PER_CALL_SHARE = 0.25;
/** Appends per run. */
const APPENDS = 1000;

const PEERS = ['echo', 'allocate', 'onePerCall'] as const;
export type Peer = (typeof PEERS)[number];

export interface ThroughputOptions {
  readonly rounds: number;
  /** The levels to measure, as calls in flight. */
  readonly levels: readonly number[];
  /** Calls per run; undefined means that they depend on the level. */
  readonly calls: number | undefined;
  /** Folder for the ledgers. */
  readonly folder: string;
  progress(line: string): void;
}

/** The results of one peer at one level, one value per round. */
export interface Measured {
  readonly rps: Spread;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
}

/** All peers at one level. */
export interface Level {
  readonly inFlight: number;
  readonly peers: Readonly<Record<Peer, Measured>>;
  /** The ratio of calls per second within each round, because the noise of the machine changes more slowly. */
  readonly allocateToEcho: Spread;
  readonly allocateToOnePerCall: Spread;
}

export interface Throughput {
  readonly rounds: number;
  readonly levels: readonly Level[];
  /** p50 of an append of 4 KiB with fsync; undefined if one call in flight was not measured. */
  readonly appendP50Ms: Spread | undefined;
  /** Calls that were answered, including the warm-up; each has its number in the ledger. */
  readonly answered: { readonly allocate: number; readonly onePerCall: number };
  readonly memory: { readonly idle: ResidentMemory; readonly after: ResidentMemory } | undefined;
}

/**
 * Runs the echo, AllocateOrder and one transaction per call in alternation, each in a process of its own, and checks
 * both ledgers afterwards. Each round runs every peer once at every level, every second round in reverse order. A
 * warm-up round does not count.
 */
export async function measureThroughput(options: ThroughputOptions): Promise<Throughput> {
  const { folder, rounds, levels, progress } = options;
  const ledgers = { allocate: join(folder, 'allocate.db'), onePerCall: join(folder, 'one-per-call.db') };
  const servers: Record<Peer, ServerProcess> = {
    echo: await ServerProcess.echo(),
    allocate: await ServerProcess.serve(ledgers.allocate),
    onePerCall: await ServerProcess.serve(ledgers.onePerCall, '--max-batch', '1'),
  };
  const idle = servers.allocate.residentMemory();
  const runs = new Runs();
  const appends: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const order = round % 2 === 1 ? PEERS : PEERS.toReversed();
    for (const level of levels) {
      for (const peer of order) {
        const result = await runGhz({
          address: servers[peer].address,
          inFlight: level,
          calls: callsOf(peer, level, options.calls),
        });
        runs.add(peer, level, round, result);
        const name = round === 0 ? 'warm-up' : `round ${round} of ${rounds}`;
        progress(`${name}, ${level} in flight: ${peer} ${Math.round(result.rps)}/s, p50 ${result.p50Ms.toFixed(2)} ms`);
      }
      if (level === 1 && round > 0) appends.push(await measureAppend(folder));
    }
  }
  const after = servers.allocate.residentMemory();
  for (const server of Object.values(servers)) await server.stop();

  const answered = { allocate: runs.answered('allocate'), onePerCall: runs.answered('onePerCall') };
  progress('checking for gaps');
  requireAllocations(ledgers.allocate, answered.allocate);
  requireAllocations(ledgers.onePerCall, answered.onePerCall);
  return {
    rounds,
    levels: levels.map((level) => runs.summary(level)),
    appendP50Ms: appends.length > 0 ? spread(appends) : undefined,
    answered,
    memory: idle && after ? { idle, after } : undefined,
  };
}

/** The results of all runs. */
class Runs {
  #runs: { peer: Peer; level: number; round: number; result: LoadResult }[] = [];

  add(peer: Peer, level: number, round: number, result: LoadResult): void {
    this.#runs.push({ peer, level, round, result });
  }

  /** Calls that a peer answered, including the warm-up. */
  answered(peer: Peer): number {
    return this.#runs.filter((run) => run.peer === peer).reduce((sum, run) => sum + run.result.calls, 0);
  }

  summary(level: number): Level {
    const ratios = (peer: Peer) => {
      const others = this.#rps(peer, level);
      return spread(this.#rps('allocate', level).map((rps, round) => rps / others[round]!));
    };
    return {
      inFlight: level,
      peers: {
        echo: this.#measured('echo', level),
        allocate: this.#measured('allocate', level),
        onePerCall: this.#measured('onePerCall', level),
      },
      allocateToEcho: ratios('echo'),
      allocateToOnePerCall: ratios('onePerCall'),
    };
  }

  #measured(peer: Peer, level: number): Measured {
    const results = this.#counted(peer, level);
    return {
      rps: spread(results.map((result) => result.rps)),
      p50Ms: spread(results.map((result) => result.p50Ms)),
      p99Ms: spread(results.map((result) => result.p99Ms)),
    };
  }

  #rps(peer: Peer, level: number): number[] {
    return this.#counted(peer, level).map((result) => result.rps);
  }

  /** In the order of the rounds, without the warm-up. */
  #counted(peer: Peer, level: number): LoadResult[] {
    return this.#runs
      .filter((run) => run.peer === peer && run.level === level && run.round > 0)
      .map((run) => run.result);
  }
}

function callsOf(peer: Peer, level: number, fixed: number | undefined): number {
  const calls = fixed ?? CALLS_BY_LEVEL[level] ?? CALLS_ABOVE;
  const share = peer === 'onePerCall' ? ONE_PER_CALL_SHARE : 1;
  // ghz refuses a total below the calls in flight.
  return Math.max(level, Math.round(calls * share));
}

async function measureAppend(folder: string): Promise<number> {
  const args = ['bench/programs/append-fsync.ts', join(folder, 'append'), String(APPENDS)];
  const { code, stdout, stderr } = await runChild(process.execPath, args);
  if (code !== 0) throw new Error(`append-fsync.ts ended with ${code}: ${stderr.trim()}`);
  return (JSON.parse(stdout) as { p50_ms: number }).p50_ms;
}
