import { expect, it } from 'vitest';
import { SQLITE } from '../../support/engines/sqlite-engine.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import { requireTools } from '../../support/required-tool.ts';
import { faultRun } from '../frame/fault-run.ts';
import { systemCallEnd } from './ends.ts';
import { killedAfterCommitSuite } from './killed-after-commit-suite.ts';
import { control, killRounds, limitMs } from './rounds.ts';
import { CALLS, compileShim } from './server/shim.ts';

const RUN = faultRun('kill', { short: Object.keys(CALLS).length, long: 400 });

it(
  'P1 to P7: a server killed at each system call that changes its files loses and repeats nothing',
  async (test) => {
    requireTools(test, 'gcc', 'linux');
    const library = compileShim(testFolder());
    const tally = await killRounds(RUN, test, { endOf: (life, random) => systemCallEnd(life, random, library) });
    const early = 'replies before the commit';
    const point = 'between two frames of the WAL';
    await control(tally, early, { ends: [{ at: 'a system call', point, nth: 100, library }], broken: early }, 'lost');
    expect(() => tally.end()).not.toThrow();
  },
  limitMs(RUN),
);

killedAfterCommitSuite(SQLITE);
