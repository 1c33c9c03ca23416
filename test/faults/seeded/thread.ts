import { parentPort, workerData } from 'node:worker_threads';
import type { PlantedBug } from './loading/planted-bug.ts';
import type { FinishedRun } from './run-judge.ts';

/** What a thread of a simulator is to do. */
export interface Work {
  /** The first seed; then every `step`th. */
  readonly first: number;
  readonly step: number;
  readonly seeds: number;
  /** Whether to end at the first violation; with a bug, at the first that shows it. */
  readonly stopsEarly: boolean;
  readonly bug: PlantedBug | undefined;
  /** For one seed: its lines, and if it fails, those of a shorter run. */
  readonly withTrace: boolean;
  /** Runs that the search for the shorter one takes, at most. */
  readonly shrinkRuns: number;
  /** Whether to hand over what the judge of each run saw. */
  readonly withRuns: boolean;
}

/** What came of a run. */
export interface RunResult {
  readonly seed: number;
  /** A sentence per violation; empty if every promise was kept. */
  readonly violations: readonly string[];
  readonly hash: number;
  readonly lines: readonly string[];
  readonly lives: number;
  readonly calls: number;
  readonly acknowledged: number;
  readonly rows: number;
  readonly virtualMs: number;
  /** Timers and immediates that have run. */
  readonly turns: number;
  /** How often each fault took effect. */
  readonly injected: ReadonlyMap<string, number>;
  /** How often each branch was reached. */
  readonly branches: ReadonlyMap<string, number>;
  /** What its judge saw. */
  readonly finished: FinishedRun;
}

/** What several runs came to. */
export interface Sum {
  runs: number;
  calls: number;
  acknowledged: number;
  rows: number;
  lives: number;
  virtualMs: number;
  turns: number;
  /** The hash of all runs, in their order. */
  hash: number;
  /** Runs that had fewer lives, calls or faults than they should. */
  small: number;
  readonly injected: Map<string, number>;
  readonly branches: Map<string, number>;
  readonly failures: { readonly seed: number; readonly violations: readonly string[] }[];
}

/** What a thread says: a sum now and then, and at its end the lines of a trace. */
export interface Said {
  readonly sum: Sum;
  readonly isLast: boolean;
  readonly lines: readonly string[];
  readonly runs: readonly FinishedRun[];
}

/** One kind of run. */
export interface Runner<Plan> {
  planOf(seed: number): Plan;
  run(plan: Plan, keepsLines: boolean): Promise<RunResult>;
  /** The shortest run found that fails as this plan does, with its lines. */
  shrink(plan: Plan, maxRuns: number): Promise<RunResult>;
  /** A run has so many of these, at least. */
  readonly least: { readonly lives: number; readonly calls: number; readonly faults: number };
}

const SAY_EVERY = 200;
const MAX_FAILURES = 20;

const realSetImmediate = setImmediate;

/** What this thread is to do. */
export function work(): Work {
  return workerData as Work;
}

/** Runs its seeds, one after the other, in a thread whose time and chance are replaced. */
export async function runSeeds<Plan>({ planOf, run, shrink, least }: Runner<Plan>): Promise<void> {
  const { first, step, seeds, stopsEarly, bug, withTrace, shrinkRuns, withRuns } = work();
  // Runs create many errors, and no one reads where.
  if (!withTrace) Error.stackTraceLimit = 0;
  let sum = nothing();
  let runs: FinishedRun[] = [];
  const say = (isLast: boolean, lines: readonly string[] = []) => {
    parentPort!.postMessage({ sum, isLast, lines, runs } satisfies Said);
    sum = nothing();
    runs = [];
  };
  for (let i = 0; i < seeds; i++) {
    const seed = first + i * step;
    const result = await run(planOf(seed), withTrace);
    if (withRuns) runs.push(copyOf(result.finished));
    add(sum, result, least);
    const { violations } = result;
    if (withTrace && i === seeds - 1) {
      return say(true, violations.length === 0 ? result.lines : (await shrink(planOf(seed), shrinkRuns)).lines);
    }
    const isSeen = bug ? violations.some((sentence) => bug.shows.test(sentence)) : violations.length > 0;
    const isOver = i === seeds - 1 || (stopsEarly && isSeen);
    if (isOver || sum.runs >= SAY_EVERY) say(isOver);
    if (isOver) return;
    // Lets the thread hear what the others say.
    await new Promise((resolve) => realSetImmediate(resolve));
  }
}

function add(sum: Sum, result: RunResult, least: Runner<unknown>['least']): void {
  sum.runs++;
  for (const name of ['calls', 'acknowledged', 'rows', 'lives', 'virtualMs', 'turns'] as const) {
    sum[name] += result[name];
  }
  sum.hash = (Math.imul(sum.hash, 31) + result.hash) >>> 0;
  const faults = [...result.injected.values()].reduce((all, times) => all + times, 0);
  if (result.lives < least.lives || result.calls < least.calls || faults < least.faults) sum.small++;
  for (const [fault, times] of result.injected) sum.injected.set(fault, (sum.injected.get(fault) ?? 0) + times);
  for (const [branch, times] of result.branches) sum.branches.set(branch, (sum.branches.get(branch) ?? 0) + times);
  const { seed, violations } = result;
  if (violations.length > 0) sum.failures.push({ seed, violations });
  // The last ones are kept: a planted bug shows itself in one of them.
  if (sum.failures.length > MAX_FAILURES) sum.failures.shift();
}

/** Errors lose their fields on the way to another thread. */
function copyOf({ disk: { rows, stores, byKey }, calls, watches, duplicated }: FinishedRun): FinishedRun {
  const plain = calls.map(({ error, ...call }) => {
    return { ...call, error: error && { outcome: error.outcome, code: error.code, reason: error.reason } };
  });
  return { disk: { rows, stores, byKey }, calls: plain, watches, duplicated };
}

function nothing(): Sum {
  const counts = { runs: 0, calls: 0, acknowledged: 0, rows: 0, lives: 0, virtualMs: 0, turns: 0, hash: 0, small: 0 };
  return { ...counts, injected: new Map(), branches: new Map(), failures: [] };
}
