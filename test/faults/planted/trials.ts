import { TestSession } from './checks.ts';
import type { PlantedBug } from './planted-bug.ts';
import { TreeCopy } from './tree-copy.ts';
import type { Check, Trial, Verdict } from './trial.ts';
import { areTyped, doesStart, findWrong, redBefore, tryBug } from './trial.ts';

/** What may be the machine's fault: a test that took too long, or a process that was ended. */
const PASSING = new Set<Verdict>(['red otherwise', 'red before']);

export interface TrialsOptions {
  /** Copies in which bugs are tried at the same time. */
  readonly jobs: number;
  /** Whether all tests of the files have to be green without the bugs. */
  readonly areWhole: boolean;
  readonly onTrial: (trial: Trial) => void;
}

/** Tries each bug alone, in copies that are removed at the end. Rejects if the tree itself is broken. */
export async function tryAll(bugs: readonly PlantedBug[], options: TrialsOptions): Promise<readonly Trial[]> {
  const copies = Array.from({ length: options.jobs + 1 }, () => new TreeCopy());
  const removeAll = () => copies.forEach((copy) => copy.remove());
  process.once('exit', removeAll);
  const [checked, ...tried] = copies;
  const [wrong, ...trials] = await Promise.all([
    wrongTogether(checked!, bugs),
    ...tried.map((copy, i) => tryShare(copy, shareOf(bugs, i, options.jobs), options)),
  ]);
  process.off('exit', removeAll);
  removeAll();
  return trials.flat().map((trial) => wrong.get(trial.bug.name) ?? trial);
}

/** The bugs whose test is in every n-th file. */
function shareOf(bugs: readonly PlantedBug[], place: number, n: number): readonly PlantedBug[] {
  const files = [...new Set(bugs.map(({ file }) => file))];
  return bugs.filter(({ file }) => files.indexOf(file) % n === place);
}

/** Tries bugs in one copy. Those that may have met a machine that is too slow are tried once more. */
async function tryShare(
  copy: TreeCopy,
  bugs: readonly PlantedBug[],
  { areWhole, onTrial }: TrialsOptions,
): Promise<readonly Trial[]> {
  const session = new TestSession(copy.folder);
  const tryEach = async (some: readonly PlantedBug[]): Promise<Trial[]> => {
    const red = some.length === 0 ? new Map<string, string>() : await redBefore(session, some, areWhole);
    const trials: Trial[] = [];
    for (const bug of some) {
      const says = red.get(bug.name);
      const trial: Trial =
        says === undefined ? await tryBug(copy, session, bug) : { bug, verdict: 'red before', says, seconds: 0 };
      trials.push(trial);
      onTrial(trial);
    }
    return trials;
  };
  const trials = await tryEach(bugs);
  const again = await tryEach(trials.filter(({ verdict }) => PASSING.has(verdict)).map(({ bug }) => bug));
  await session.close();
  return [...trials.filter(({ verdict }) => !PASSING.has(verdict)), ...again];
}

/** The trials of bugs with which the types are wrong, or no server starts, by their names. */
async function wrongTogether(copy: TreeCopy, bugs: readonly PlantedBug[]): Promise<ReadonlyMap<string, Trial>> {
  const broken = (await areTyped(copy)) ?? (await doesStart(copy));
  if (broken !== undefined) throw new Error(`the copy is broken without any bug: ${broken}`);
  const trials = new Map<string, Trial>();
  const checks: readonly (readonly [Verdict, Check])[] = [
    ['wrong types', areTyped],
    ['no server', doesStart],
  ];
  for (const [verdict, check] of checks) {
    const wrong = await findWrong(copy, bugs, check);
    for (const bug of bugs) {
      const says = wrong.get(bug.name);
      if (says !== undefined) trials.set(bug.name, { bug, verdict, says, seconds: 0 });
    }
  }
  return trials;
}
