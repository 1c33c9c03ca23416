import { expect, it } from 'vitest';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { at, beginning, pointEnd } from './ends.ts';
import { control, killRounds } from './rounds.ts';

/** The short form has one of each kind, and the controls. */
const SHORT = [
  at('in a migration', 1),
  at('half the replies', 5),
  at('after COMMIT', 10),
  at('before a checkpoint is recorded', 1),
];
const RUN = faultRun('kill', { short: SHORT.length, long: 1_200 });

it(
  'P1 to P7: a server killed at each named point loses no pair, leaves no hole and numbers nothing twice',
  async (test) => {
    const beginningOf = RUN.isLong ? beginning : () => ({ isVersion1: true, ends: SHORT });
    const tally = await killRounds(RUN, test, { beginningOf, endOf: pointEnd });

    const early = 'replies before the commit';
    await control(tally, early, { ends: [at('before BEGIN', 23)], broken: early }, 'lost');
    const counting = 'numbers from memory';
    await control(tally, counting, { ends: [at('before BEGIN', 20)], broken: counting }, 'holes');
    const forgetful = 'replays without a lookup';
    await control(tally, forgetful, { ends: [at('after COMMIT', 20)], broken: forgetful }, 'twice');
    const anew = 'a watch that begins anew without its cursor';
    await control(tally, anew, { ends: [at('before BEGIN', 20)], savesCursor: false }, /watched .* twice/);
    expect(() => tally.end()).not.toThrow();
  },
  timeoutMs(RUN),
);
