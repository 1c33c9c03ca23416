import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Tally } from '../frame/tally.ts';
import type { PlantedBug } from '../seeded/loading/planted-bug.ts';
import { ENOUGH_SEEDS, MAX_SMALL, tooShortFor } from '../seeded/simulate.ts';
import { PLANTED_BUGS } from './loading/planted-bugs.ts';
import type { Sum } from './simulate.ts';
import { missing, simulate } from './simulate.ts';
import { EXPECTED_BRANCHES, EXPECTED_FAULTS, RARE } from './world/expected.ts';

const RUN = faultRun('simulator', { short: 100, long: 500_000 });
const ROOT = new URL('../../../', import.meta.url);
/** Each planted bug has to be seen within this many seeds. */
const SEEDS_PER_BUG = 3_000;
const JOBS = RUN.isLong ? availableParallelism() : 1;
/** The short form plants only one of them: each is a thread with a copy of src. */
const PLANTED = RUN.isLong ? PLANTED_BUGS : PLANTED_BUGS.slice(0, 1);

describe('the simulator', () => {
  it(
    'P1 P2 P3 P4 P5 P6 P7: clients, core and a model engine keep every promise under faults, on a seeded clock',
    async ({ task }) => {
      const tally = new Tally(RUN, task.name, { engine: 'model' });
      const onProgress = ({ runs }: Sum) => tally.progress(runs);
      const { sum } = await simulate({ seed: RUN.seed, seeds: RUN.rounds, jobs: JOBS, onProgress });
      expect(sum.failures.map(({ seed, violations }) => [`make sim SEED=${seed}`, ...violations])).toEqual([]);
      expect(sum.small / sum.runs, 'seeds with less than 3 lives, 200 calls or 5 faults').toBeLessThan(MAX_SMALL);
      expect(missing(sum), 'faults and branches that never came up').toEqual([]);
      const isTooShort = tooShortFor({ rare: RARE }, sum.runs);
      if (RUN.isLong && isTooShort !== undefined) process.stderr.write(`${isTooShort}\n`);
      for (const [fault, times] of sum.injected) tally.inject(fault, times);
      for (const bug of PLANTED) {
        const { seen, seed } = await firstSeen(bug);
        tally.control(bug.name, seen !== undefined, seen === undefined ? '' : `seed ${seed}: ${seen}`);
      }
      tally.count({ asked: sum.calls, acknowledged: sum.acknowledged, found: sum.rows });
      tally.end(sum.runs - sum.small);
    },
    timeoutMs(RUN),
  );

  it('fails if a fault or a branch never comes up: of 100 seeds each that is not rare, of 1,000 all', () => {
    const all = [...EXPECTED_FAULTS, ...EXPECTED_BRANCHES];
    const names = missingIn(ENOUGH_SEEDS).map((name) => name.replace(/^(fault|branch): /, ''));
    expect(names).toEqual(all);
    expect(RARE.filter((name) => !all.includes(name))).toEqual([]);
    expect(missingIn(100)).toHaveLength(all.length - RARE.length);
    expect(missingIn(99)).toEqual([]);
    expect(tooShortFor({ rare: RARE }, 100)).toContain(`each of ${RARE.length} rare faults and branches`);
    expect(tooShortFor({ rare: RARE }, 99)).toContain('any fault or branch');
    expect(tooShortFor({ rare: RARE }, ENOUGH_SEEDS)).toBeUndefined();
  });

  it('replays a run from its seed: the same hash, in another thread as well', async () => {
    const [one, other] = await Promise.all([1, 2].map(() => simulate({ seed: 11, seeds: 3 })));
    expect(one!.sum.hash).toBe(other!.sum.hash);
    const next = await simulate({ seed: 12, seeds: 3 });
    expect(next.sum.hash).not.toBe(one!.sum.hash);
  });

  it('prints the shortest trace of a failure', async () => {
    const bug = PLANTED_BUGS.find(({ name }) => name === 'a mismatch joined as a copy')!;
    const traced = (seed: number) => simulate({ seed, seeds: 1, bug, withTrace: true, shrinkRuns: 60 });
    let { lines } = await traced(bug.seed);
    if (!lines.some((line) => bug.shows.test(line))) ({ lines } = await traced((await firstSeen(bug)).seed));
    expect(lines.join('\n')).toMatch(bug.shows);
    // It began with 200 calls.
    expect(lines.filter((line) => / call {2,}\d/.test(line)).length).toBeLessThan(150);
  });

  it.each(PLANTED_BUGS)('can plant: $name', ({ changes }) => {
    for (const { file, from, to } of changes) {
      expect(readFileSync(new URL(file, ROOT), 'utf8').split(from), `${file}: ${from}`).toHaveLength(2);
      expect(to).not.toBe(from);
    }
  });
});

/** What is missing if nothing ever came up. */
function missingIn(runs: number): string[] {
  return missing({ runs, injected: new Map(), branches: new Map() });
}

/** In the run that is known to show it, or else in the first one that does. */
async function firstSeen(bug: PlantedBug): Promise<{ seen: string | undefined; seed: number }> {
  const known = await seenFrom(bug, bug.seed, 1);
  return known.seen === undefined ? seenFrom(bug, 1, SEEDS_PER_BUG) : known;
}

async function seenFrom(bug: PlantedBug, from: number, seeds: number) {
  const { sum } = await simulate({ seed: from, seeds, bug, stopsEarly: true });
  const seen = sum.failures.flatMap(({ violations }) => violations).find((sentence) => bug.shows.test(sentence));
  return { seen, seed: from + sum.runs - 1 };
}
