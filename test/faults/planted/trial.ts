import { join } from 'node:path';
import type { TestSession } from './checks.ts';
import { startFailure, typeError } from './checks.ts';
import type { PlantedBug } from './planted-bug.ts';
import { BadPatch, nameOf } from './planted-bug.ts';
import type { TreeCopy } from './tree-copy.ts';

/** What became of a bug. Only `caught` is good. */
export type Verdict =
  'caught' | 'not caught' | 'red otherwise' | 'does not apply' | 'wrong types' | 'no server' | 'red before';

export interface Trial {
  readonly bug: PlantedBug;
  readonly verdict: Verdict;
  /** The failed expectation, or what went wrong. */
  readonly says: string;
  readonly seconds: number;
}

/** Plants a bug in a copy and looks for its test to fail. The copy is as before when it resolves. */
export async function tryBug(copy: TreeCopy, session: TestSession, bug: PlantedBug): Promise<Trial> {
  const began = performance.now();
  const [verdict, says] = await outcomeOf(copy, session, bug);
  return { bug, verdict, says, seconds: (performance.now() - began) / 1000 };
}

async function outcomeOf(copy: TreeCopy, session: TestSession, bug: PlantedBug): Promise<[Verdict, string]> {
  let takeOut: () => void;
  try {
    takeOut = copy.plant(bug);
  } catch (error) {
    if (error instanceof BadPatch) return ['does not apply', error.message];
    throw error;
  }
  const changed = bug.changes.map(({ path }) => join(copy.folder, path));
  try {
    const wanted = { project: bug.project, files: [bug.file], tests: [bug.titles], changed };
    const { passed, failed, crashed } = await session.run(wanted);
    const name = nameOf(bug);
    const failure = failed.find(({ test }) => test === name);
    if (failure) return [failure.isAssertion ? 'caught' : 'red otherwise', failure.says];
    if (crashed[0] !== undefined) return ['red otherwise', crashed[0]];
    return ['not caught', passed.includes(name) ? 'the test is green with the bug' : 'no test has this name'];
  } finally {
    takeOut();
    // The next run may be of another bug in the same file.
    session.changedSince(changed);
  }
}

/**
 * Why bugs cannot be tried, by their names: their tests have to be green in the copy without any bug. With `areWhole`, so
 * do all tests of their files.
 */
export async function redBefore(
  session: TestSession,
  bugs: readonly PlantedBug[],
  areWhole: boolean,
): Promise<ReadonlyMap<string, string>> {
  const red = new Map<string, string>();
  for (const [project, tried] of Map.groupBy(bugs, (bug) => bug.project)) {
    const files = [...new Set(tried.map(({ file }) => file))];
    const tests = areWhole ? [] : tried.map(({ titles }) => titles);
    const { passed, failed, crashed } = await session.run({ project, files, tests, changed: [] });
    const green = new Set(passed);
    for (const bug of tried) {
      const name = nameOf(bug);
      const failure = failed.find(({ test }) => test === name) ?? (areWhole ? failed[0] : undefined);
      if (green.has(name) && failure === undefined) continue;
      red.set(bug.name, failure?.says ?? crashed[0] ?? 'no test has this name');
    }
  }
  return red;
}

/** A check of a copy in which bugs were planted: what it says is wrong, or undefined. */
export type Check = (copy: TreeCopy) => Promise<string | undefined>;

/** The types of the tree, and of what runs in a browser. */
export const areTyped: Check = async ({ folder }) =>
  (await typeError(folder, 'tree')) ?? (await typeError(folder, 'page'));

/** A server starts and stops. */
export const doesStart: Check = ({ folder }) => startFailure(folder);

/**
 * What a check finds wrong with bugs, by their names. All bugs that fit together are checked at once, and each alone only
 * if that fails: each check takes longer than most tests.
 */
export async function findWrong(
  copy: TreeCopy,
  bugs: readonly PlantedBug[],
  check: Check,
): Promise<ReadonlyMap<string, string>> {
  const [together, alone]: [PlantedBug[], PlantedBug[]] = [[], []];
  const takeOut: (() => void)[] = [];
  for (const bug of bugs) {
    const undo = plantIfFits(copy, bug);
    if (undo) takeOut.push(undo);
    (undo ? together : alone).push(bug);
  }
  const isWrong = (await check(copy)) !== undefined;
  for (const undo of takeOut.toReversed()) undo();
  if (isWrong) alone.push(...together);
  const wrong = new Map<string, string>();
  for (const bug of alone) {
    const undo = plantIfFits(copy, bug);
    const says = undo && (await check(copy));
    undo?.();
    if (says !== undefined) wrong.set(bug.name, says);
  }
  return wrong;
}

/** Undefined if it does not fit, which is said when it is tried. */
function plantIfFits(copy: TreeCopy, bug: PlantedBug): (() => void) | undefined {
  try {
    return copy.plant(bug);
  } catch (error) {
    if (error instanceof BadPatch) return undefined;
    throw error;
  }
}
