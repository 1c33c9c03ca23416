import { join } from 'node:path';
import type { ClientProcess } from '../generators/client-load.ts';
import { startClient } from '../generators/client-load.ts';
import { missingH2load, runOpenLoop } from '../generators/h2load.ts';
import { requireAllocations } from '../ledgers/density.ts';
import { STORES } from '../ours/client-peers.ts';
import { ONE_ORDER } from '../ours/unary-peers.ts';
import { ServerProcess } from '../processes/server-process.ts';
import type { Spread } from '../statistics.ts';
import { spread } from '../statistics.ts';

const RATES = [500, 1000, 2000, 4000, 6000, 8000, 12_000, 16_000, 24_000, 32_000, 48_000];
/** A way that answers a smaller share of a rate than this is beyond its peak: higher rates would only measure its queue. */
const KEPT_UP = 0.95;
/** Runs are this many times as long as those of a comparison, because p99 needs many orders even at a low rate. */
const STRETCH = 2;

export interface OpenLoopOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly folder: string;
  progress(line: string): void;
}

/** How orders are asked for: one per call by h2load, or by a client that combines them. */
export const WAYS = ['one per call', 'combined'] as const;
export type Way = (typeof WAYS)[number];

/** Latency at one rate, counted from when each order was due. */
export interface RatePoint {
  /** Orders that were due per second. */
  readonly offered: number;
  readonly perSecond: Spread;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
  readonly generatorMicros: Spread;
}

export interface OpenLoop {
  readonly rounds: number;
  readonly ways: Readonly<Record<Way, readonly RatePoint[]>>;
}

interface Run {
  readonly way: Way;
  readonly offered: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly generatorMicros: number;
}

/** Raises the rate step by step, for both ways in alternation, until each of them is beyond its peak. */
export async function measureOpenLoop({ rounds, seconds, folder, progress }: OpenLoopOptions): Promise<OpenLoop> {
  const missing = await missingH2load();
  if (missing !== undefined) throw new Error(missing);
  const ledger = join(folder, 'open-loop.db');
  const server = await ServerProcess.serve(ledger);
  const client = startClient(server.address);
  const runs: Run[] = [];
  let answered = 0;
  const run = async (way: Way, offered: number) => {
    const orders = offered * seconds * STRETCH;
    const result = await (way === 'combined'
      ? runClient(client, offered, orders)
      : runUnary(server.address, folder, offered, orders));
    answered += result.answered;
    progress(
      `${offered}/s ${way}: ${Math.round(result.perSecond)}/s, p50 ${result.p50Ms.toFixed(2)} ms, p99 ${result.p99Ms.toFixed(2)} ms`,
    );
    return { way, offered, ...result };
  };
  for (const way of WAYS) await run(way, 2000);
  for (let round = 1; round <= rounds; round++) {
    progress(`round ${round} of ${rounds}`);
    const beyond = new Set<Way>();
    for (const [i, offered] of RATES.entries()) {
      for (const way of (i + round) % 2 === 0 ? WAYS : WAYS.toReversed()) {
        if (beyond.has(way)) continue;
        const result = await run(way, offered);
        runs.push(result);
        if (result.perSecond < KEPT_UP * offered) beyond.add(way);
      }
    }
  }
  await client.end();
  await server.stop();
  requireAllocations(ledger, answered);
  return { rounds, ways: { 'one per call': pointsOf(runs, 'one per call'), combined: pointsOf(runs, 'combined') } };
}

async function runUnary(address: string, folder: string, offered: number, calls: number) {
  const { calls: answered, ...result } = await runOpenLoop({ address, ...ONE_ORDER, calls, folder }, offered);
  return { answered, ...result };
}

async function runClient(client: ClientProcess, offered: number, orders: number) {
  const result = await client.ask({ inFlight: 0, orders, stores: STORES, perSecond: offered });
  if (result.failures > 0) throw new Error(`${result.failures} orders failed: ${result.failure}`);
  const { answered, p50Ms, p99Ms, generatorMicros, ms } = result;
  return { answered, perSecond: (answered / ms) * 1000, p50Ms, p99Ms, generatorMicros };
}

/** A point for each rate that was tried, over the rounds that reached it. */
function pointsOf(runs: readonly Run[], way: Way): RatePoint[] {
  return RATES.flatMap((offered) => {
    const at = runs.filter((run) => run.way === way && run.offered === offered);
    if (at.length === 0) return [];
    const of = (value: (run: Run) => number) => spread(at.map(value));
    return {
      offered,
      perSecond: of(({ perSecond }) => perSecond),
      p50Ms: of(({ p50Ms }) => p50Ms),
      p99Ms: of(({ p99Ms }) => p99Ms),
      generatorMicros: of(({ generatorMicros }) => generatorMicros),
    };
  });
}
