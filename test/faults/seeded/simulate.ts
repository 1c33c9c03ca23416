import { Worker } from 'node:worker_threads';
import type { FinishedRun } from './run-judge.ts';
import type { PlantedBug } from './loading/planted-bug.ts';
import type { Said, Sum, Work } from './thread.ts';

export type { Sum } from './thread.ts';

/** How many seeds had which faults and branches. */
export type CameUp = Pick<Sum, 'runs' | 'injected' | 'branches'>;

export interface Simulation {
  /** The first seed. */
  readonly seed: number;
  readonly seeds: number;
  /** Threads; one by default. */
  readonly jobs?: number;
  readonly bug?: PlantedBug;
  readonly stopsEarly?: boolean;
  readonly withTrace?: boolean;
  /** Runs that the search for a shorter one takes, at most: 1,000 by default. */
  readonly shrinkRuns?: number;
  readonly withRuns?: boolean;
  readonly onProgress?: (sum: Sum) => void;
}

/** What a simulation came to, and the lines of a trace if it had one. */
export interface Simulated {
  readonly sum: Sum;
  readonly lines: readonly string[];
  readonly runs: readonly FinishedRun[];
}

/** What a run has to inject, and to reach. */
export interface Expected {
  readonly faults: readonly string[];
  readonly branches: readonly string[];
  /** Faults and branches that come up in less than one of ten seeds. */
  readonly rare?: readonly string[];
}

/** The share of seeds that may have fewer lives, calls or faults than a seed should have, by chance. They do not count. */
export const MAX_SMALL = 1 / 1000;
/** From this many seeds on, each fault and each branch has to come up; before that, each that is not rare. */
export const ENOUGH_SEEDS = 1_000;
const ENOUGH_SEEDS_IF_NOT_RARE = 100;

/**
 * Runs consecutive seeds in threads of their own, in which time and chance are the simulator's. `worker` is the module of
 * such a thread.
 */
export async function simulateIn(worker: URL, simulation: Simulation): Promise<Simulated> {
  const {
    seed,
    seeds,
    jobs = 1,
    bug,
    stopsEarly = false,
    withTrace = false,
    shrinkRuns = 1_000,
    withRuns = false,
  } = simulation;
  const sum = emptySum();
  const lines: string[] = [];
  const runs: FinishedRun[] = [];
  const threads = Array.from({ length: Math.min(jobs, seeds) }, (_, i) => {
    const mine = Math.floor((seeds - i - 1) / jobs) + 1;
    const work: Work = { first: seed + i, step: jobs, seeds: mine, stopsEarly, bug, withTrace, shrinkRuns, withRuns };
    return runThread(worker, work, (said) => {
      add(sum, said.sum);
      lines.push(...said.lines);
      runs.push(...said.runs);
      simulation.onProgress?.(sum);
    });
  });
  await Promise.all(threads);
  return { sum, lines, runs };
}

/** The faults and branches that a run of this many seeds had to have, and that did not come. */
export function missingOf({ faults, branches, rare }: Expected, sum: CameUp): string[] {
  const isDue = (name: string) => {
    if (sum.runs >= ENOUGH_SEEDS) return true;
    return rare !== undefined && sum.runs >= ENOUGH_SEEDS_IF_NOT_RARE && !rare.includes(name);
  };
  return [
    ...faults.filter((fault) => isDue(fault) && !sum.injected.has(fault)).map((fault) => `fault: ${fault}`),
    ...branches.filter((branch) => isDue(branch) && !sum.branches.has(branch)).map((branch) => `branch: ${branch}`),
  ];
}

/** Says so if a run is too short for some of its checks. */
export function tooShortFor({ rare }: Pick<Expected, 'rare'>, seeds: number): string | undefined {
  if (seeds >= ENOUGH_SEEDS) return undefined;
  const isForNone = rare === undefined || seeds < ENOUGH_SEEDS_IF_NOT_RARE;
  const unchecked = isForNone ? 'any fault or branch' : `each of ${rare.length} rare faults and branches`;
  return `${seeds} seeds are too few to check that ${unchecked} comes up: ${ENOUGH_SEEDS.toLocaleString('en')} are enough`;
}

function runThread(worker: URL, work: Work, onSaid: (said: Said) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    // None of the flags and hooks of a test runner.
    const thread = new Worker(worker, { workerData: work, execArgv: [] });
    thread.on('message', (said: Said) => {
      onSaid(said);
      if (said.isLast) resolve(void thread.terminate());
    });
    thread.once('error', reject);
    thread.once('exit', (code) => reject(new Error(`a thread of the simulator ended with ${code}`)));
  });
}

function add(sum: Sum, more: Sum): void {
  for (const name of ['runs', 'calls', 'acknowledged', 'rows', 'lives', 'virtualMs', 'turns', 'small'] as const) {
    sum[name] += more[name];
  }
  sum.hash = (sum.hash ^ more.hash) >>> 0;
  for (const name of ['injected', 'branches'] as const) {
    for (const [key, times] of more[name]) sum[name].set(key, (sum[name].get(key) ?? 0) + times);
  }
  sum.failures.push(...more.failures);
}

function emptySum(): Sum {
  const counts = { runs: 0, calls: 0, acknowledged: 0, rows: 0, lives: 0, virtualMs: 0, turns: 0, hash: 0, small: 0 };
  return { ...counts, injected: new Map(), branches: new Map(), failures: [] };
}
