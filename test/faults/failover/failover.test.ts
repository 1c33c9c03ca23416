import { expect, it } from 'vitest';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Tally } from '../frame/tally.ts';
import { FailoverLab } from './lab.ts';
import { Rounds } from './rounds.ts';

const RUN = faultRun('failover', { short: 5, long: 500 });
const SERVERS = 3;

it(
  'P1 P2 P3 P4 P5 P7: whatever dies, three servers on one ledger lose nothing, number nothing twice and leave no hole',
  async ({ task }) => {
    const tally = new Tally(RUN, task.name, { engine: 'PostgreSQL' });
    const rounds = new Rounds(await FailoverLab.start({ servers: SERVERS }), tally, RUN.seed);
    const verdict = await rounds.run(RUN.rounds);
    expect(verdict).toMatchObject({ lost: 0, twice: 0, holes: 0, violations: [] });
    tally.end();
  },
  timeoutMs(RUN),
);
