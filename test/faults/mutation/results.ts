import type { Journal } from './journal.ts';
import { caughtIn } from './journal.ts';
import type { Mutant } from './mutants.ts';

/** What became of a mutant; `unreached` if no test runs through it. */
export type Outcome = 'failed' | 'timed out' | 'survived' | 'unreached';

export interface Result {
  readonly mutant: Mutant;
  readonly outcome: Outcome;
  /** The test that noticed it. */
  readonly test: string | undefined;
}

export function resultsOf(journal: Journal): readonly Result[] {
  const { steps, reached, room } = journal;
  const caught = caughtIn(steps);
  const known = new Set([...Object.values(reached.tests).flatMap(({ hits }) => Object.keys(hits)), ...reached.outside]);
  return room.mutants.map((mutant): Result => {
    const step = caught.get(mutant.id);
    if (!step) return { mutant, outcome: known.has(mutant.id) ? 'survived' : 'unreached', test: undefined };
    const outcome = 'how' in step ? step.how : 'timed out';
    return { mutant, outcome, test: 'test' in step ? step.test : undefined };
  });
}

/** In percent, with one decimal, rounded down: 100 means all. */
export function scoreOf(results: readonly Result[]): number {
  const caught = results.filter(({ outcome }) => outcome === 'failed' || outcome === 'timed out');
  return results.length === 0 ? 100 : Math.floor((caught.length / results.length) * 1000) / 10;
}
