import type { RunResult } from './thread.ts';

/** The name of a violation: the same for all keys and numbers. */
export function kindOf(sentence: string): string {
  return sentence.replaceAll(/\b(k\d+|[0-9a-f-]{36}|bad-\w+|client-\d+)\b/g, '…').replaceAll(/\d+(\.\d+)?/g, 'N');
}

/** How plans of one kind are made shorter. */
export interface Shrinking<Plan> {
  run(plan: Plan, keepsLines: boolean): Promise<RunResult>;
  /** The plan without random faults. */
  calm(plan: Plan): Plan;
  /** The lists of a plan to leave entries out of, in this order. */
  readonly lists: readonly (keyof Plan)[];
}

/**
 * A part of a failing plan that fails in the same way, with as few entries as a search in halves finds in this many
 * runs. Returns its run with all lines.
 */
export async function shrinkPlan<Plan>(plan: Plan, shrinking: Shrinking<Plan>, maxRuns: number): Promise<RunResult> {
  const { run, calm, lists } = shrinking;
  const kinds = new Set((await run(plan, false)).violations.map(kindOf));
  const search = new Search(plan, maxRuns, async (part) =>
    (await run(part, false)).violations.some((sentence) => kinds.has(kindOf(sentence))),
  );
  await search.take(calm(search.best));
  for (const list of lists) await search.shorten(list);
  return run(search.best, true);
}

class Search<Plan> {
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
  async shorten(list: keyof Plan): Promise<void> {
    const entries = () => this.best[list] as readonly unknown[];
    for (let size = Math.ceil(entries().length / 2); size >= 1; size = Math.floor(size / 2)) {
      let from = 0;
      while (from < entries().length) {
        const part = { ...this.best, [list]: entries().toSpliced(from, size) };
        if (!(await this.take(part))) from += size;
      }
    }
  }
}
