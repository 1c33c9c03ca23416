import type { RunResult } from './world/run.ts';
import type { Plan } from './world/plan.ts';
import { run } from './world/run.ts';

/** The name of a violation: the same for all keys and numbers. */
export function kindOf(sentence: string): string {
  return sentence.replaceAll(/\b(k\d+|[0-9a-f-]{36}|bad-\w+|client-\d+)\b/g, '…').replaceAll(/\d+(\.\d+)?/g, 'N');
}

/**
 * A part of a failing plan that fails in the same way, with as few calls, events and message faults as a search in halves
 * finds in so many runs. Returns its run with all lines.
 */
export async function shrink(plan: Plan, maxRuns: number): Promise<RunResult> {
  const kinds = new Set((await run(plan)).violations.map(kindOf));
  const search = new Search(plan, maxRuns, async (part) =>
    (await run(part)).violations.some((sentence) => kinds.has(kindOf(sentence))),
  );
  await search.take({ ...search.best, messageFaults: 0 });
  for (const list of ['calls', 'events', 'watchers', 'calls', 'events', 'calls'] as const) await search.shorten(list);
  return run(search.best, true);
}

class Search {
  best: Plan;
  readonly #fails: (plan: Plan) => Promise<boolean>;
  #runsLeft: number;

  constructor(plan: Plan, maxRuns: number, fails: (plan: Plan) => Promise<boolean>) {
    this.best = plan;
    this.#runsLeft = maxRuns;
    this.#fails = fails;
  }

  /** Returns whether the plan fails, too; then it is the best. */
  async take(plan: Plan): Promise<boolean> {
    if (this.#runsLeft-- <= 0 || !(await this.#fails(plan))) return false;
    this.best = plan;
    return true;
  }

  /** Leaves out more and more of a list: halves, quarters, and at last single entries. */
  async shorten(list: 'calls' | 'events' | 'watchers'): Promise<void> {
    for (let size = Math.ceil(this.best[list].length / 2); size >= 1; size = Math.floor(size / 2)) {
      let from = 0;
      while (from < this.best[list].length) {
        const part = { ...this.best, [list]: this.best[list].toSpliced(from, size) };
        if (!(await this.take(part))) from += size;
      }
    }
  }
}
