import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Tally } from '../frame/tally.ts';
import type { PlantedBug } from '../seeded/loading/planted-bug.ts';
import { SMALL_LIMITS } from './loading/limits.ts';
import { PLANTED_BUGS } from './loading/planted-bugs.ts';
import { PROBES } from './loading/probes.ts';
import { MAX_SMALL } from '../seeded/simulate.ts';
import type { Sum } from './simulate.ts';
import { missing, simulate } from './simulate.ts';

const RUN = faultRun('dynamodb', { short: 30, long: 200_000 });
const ROOT = new URL('../../../', import.meta.url);
/** From this many seeds on, each fault and each branch has to come up. */
const ENOUGH_SEEDS = 2_000;
/** Each planted bug has to be seen within this many seeds. */
const SEEDS_PER_BUG = 3_000;
const JOBS = RUN.isLong ? availableParallelism() : 1;
/** The short form plants only one of them: each is a thread with a copy of src. */
const PLANTED = RUN.isLong ? PLANTED_BUGS : PLANTED_BUGS.slice(0, 1);

describe('the simulated table', () => {
  it(
    'P1 P2 P3 P4 P5 P6 P7: servers that share a table keep every promise under faults, on a seeded clock',
    async ({ task }) => {
      const tally = new Tally(RUN, task.name, { engine: 'DynamoDB' });
      const onProgress = ({ runs }: Sum) => tally.progress(runs);
      const { sum } = await simulate({ seed: RUN.seed, seeds: RUN.rounds, jobs: JOBS, onProgress });
      const failures = sum.failures.map(({ seed, violations }) => [`make sim-dynamodb SEED=${seed}`, ...violations]);
      expect(failures).toEqual([]);
      expect(sum.small / sum.runs, 'seeds with less than 3 lives, 200 calls or 10 faults').toBeLessThan(MAX_SMALL);
      expect(sum.runs < ENOUGH_SEEDS ? [] : missing(sum), 'faults and branches that never came up').toEqual([]);
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

  it('replays a run from its seed: the same hash, in another thread as well', async () => {
    const [one, other] = await Promise.all([1, 2].map(() => simulate({ seed: 11, seeds: 2 })));
    expect(one!.sum.hash).toBe(other!.sum.hash);
    const next = await simulate({ seed: 12, seeds: 2 });
    expect(next.sum.hash).not.toBe(one!.sum.hash);
  });

  it.each([...SMALL_LIMITS, ...PROBES, ...PLANTED_BUGS.flatMap(({ changes }) => changes)])(
    'can change $file: $from',
    ({ file, from, to }) => {
      expect(readFileSync(new URL(file, ROOT), 'utf8').split(from)).toHaveLength(2);
      expect(to).not.toBe(from);
    },
  );
});

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
