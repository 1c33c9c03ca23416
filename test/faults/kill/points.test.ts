import { expect, it } from 'vitest';
import { faultRun } from '../frame/fault-run.ts';
import { at, beginning, pointEnd } from './ends.ts';
import { control, killRounds, limitMs } from './rounds.ts';

/** The short form has one of each kind, and one control. */
const SHORT = [at('in a migration', 1), at('half the replies', 5), at('before a checkpoint is recorded', 1)];
const BROKEN = ['replies before the commit', 'numbers from memory', 'replays without a lookup'] as const;
const RUN = faultRun('kill', { short: SHORT.length, long: 1_200 });

it(
  'P1 to P7: a server killed at each named point loses no pair, leaves no hole and numbers nothing twice',
  async (test) => {
    const beginningOf = RUN.isLong ? beginning : () => ({ isVersion1: true, ends: SHORT });
    const tally = await killRounds(RUN, test, { beginningOf, endOf: pointEnd });

    const [early, counting, forgetful] = BROKEN;
    const anew = 'a watch that begins anew without its cursor';
    await control(tally, forgetful, { ends: [at('after COMMIT', 20)], broken: forgetful }, 'twice');
    if (RUN.isLong) {
      await Promise.all([
        control(tally, early, { ends: [at('before BEGIN', 31)], broken: early }, 'lost'),
        control(tally, counting, { ends: [at('before BEGIN', 20)], broken: counting }, 'holes'),
        control(tally, anew, { ends: [], savesCursor: false }, /watched .* twice/),
      ]);
    }
    expect(() => tally.end()).not.toThrow();
  },
  limitMs(RUN),
);
