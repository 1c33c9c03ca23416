import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { testFolder } from '../../support/processes/server-process.ts';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Tally } from '../frame/tally.ts';
import type { LedgerStep } from './ledger-steps.ts';
import { LEDGER_STEPS, RealLedger } from './ledger-steps.ts';

const RUN = faultRun('model', { short: 12, long: 3_000 });
const CONTROL_SEED = 1;

it(
  'P1 P2 P4 P5: batches, failures, checkpoints and kills in any order leave the SQLite ledger as a model has it',
  ({ task }) => {
    const tally = new Tally(RUN, task.name);
    const folder = testFolder();
    let ledgers = 0;
    const run = (steps: readonly LedgerStep[], keepsWal: boolean) => {
      const real = new RealLedger(join(folder, `${ledgers++}`), keepsWal);
      try {
        return real.run(steps);
      } finally {
        real.close();
      }
    };
    fc.assert(
      fc.property(LEDGER_STEPS, (steps) => {
        const { injected, asked } = run(steps, true);
        for (const fault of injected) tally.inject(fault);
        tally.count({ asked, acknowledged: asked, found: asked });
      }),
      { seed: RUN.seed, numRuns: RUN.rounds },
    );

    const found = fc.check(
      fc.property(LEDGER_STEPS, (steps) => void run(steps, false)),
      // From some seeds the search does not come to the shortest.
      { seed: CONTROL_SEED, numRuns: 200 },
    );
    tally.control('killed without its WAL', found.failed, JSON.stringify(found.counterexample, textOfBigint));
    expect(found.counterexample?.[0]).toHaveLength(3);
    tally.end();
  },
  timeoutMs(RUN),
);

function textOfBigint(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
