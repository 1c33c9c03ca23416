import { parentPort, workerData } from 'node:worker_threads';
import { loadSimulated } from './loading/hooks.ts';
import type { PlantedBug } from './loading/planted-bugs.ts';
import { replaceGlobals } from './time/globals.ts';
import type { FinishedRun } from './world/run-judge.ts';

/** What a thread of the simulator is to do. */
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

/** What several runs came to. */
export interface Sum {
  runs: number;
  calls: number;
  acknowledged: number;
  rows: number;
  lives: number;
  virtualMs: number;
  turns: number;
  /** Of all runs, in their order. */
  hash: number;
  /** Runs that had less than 3 lives, 200 calls or 5 faults. */
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

const SAY_EVERY = 200;
const MAX_FAILURES = 20;

const realSetImmediate = setImmediate;
const { first, step, seeds, stopsEarly, bug, withTrace, shrinkRuns, withRuns } = workerData as Work;
loadSimulated(bug);
const { run } = await import('./world/run.ts');
const { planOf } = await import('./world/plan.ts');
const { shrink } = await import('./shrink.ts');
replaceGlobals();
// Runs create many errors, and no one reads where.
if (!withTrace) Error.stackTraceLimit = 0;

let sum = nothing();
let runs: FinishedRun[] = [];
for (let i = 0; i < seeds; i++) {
  const result = await run(planOf(first + i * step), withTrace);
  const faults = [...result.injected.values()].reduce((all, times) => all + times, 0);
  sum.runs++;
  if (withRuns) runs.push(copyOf(result.finished));
  sum.calls += result.calls;
  sum.acknowledged += result.acknowledged;
  sum.rows += result.rows;
  sum.lives += result.lives;
  sum.virtualMs += result.virtualMs;
  sum.turns += result.turns;
  sum.hash = (Math.imul(sum.hash, 31) + result.hash) >>> 0;
  if (result.lives < 3 || result.calls < 200 || faults < 5) sum.small++;
  for (const [fault, times] of result.injected) sum.injected.set(fault, (sum.injected.get(fault) ?? 0) + times);
  for (const [branch, times] of result.branches) sum.branches.set(branch, (sum.branches.get(branch) ?? 0) + times);
  const { seed, violations } = result;
  if (violations.length > 0) sum.failures.push({ seed, violations });
  // The last ones are kept: a planted bug shows itself in one of them.
  if (sum.failures.length > MAX_FAILURES) sum.failures.shift();
  if (withTrace && i === seeds - 1) {
    say(true, violations.length === 0 ? result.lines : (await shrink(planOf(seed), shrinkRuns)).lines);
    break;
  }
  const isSeen = bug ? violations.some((sentence) => bug.shows.test(sentence)) : violations.length > 0;
  const isOver = i === seeds - 1 || (stopsEarly && isSeen);
  if (isOver || sum.runs >= SAY_EVERY) say(isOver);
  if (isOver) break;
  // Lets the thread hear what the others say.
  await new Promise((resolve) => realSetImmediate(resolve));
}

function say(isLast: boolean, lines: readonly string[] = []): void {
  parentPort!.postMessage({ sum, isLast, lines, runs } satisfies Said);
  sum = nothing();
  runs = [];
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
