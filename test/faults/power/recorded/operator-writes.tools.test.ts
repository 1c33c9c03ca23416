import { rmSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { requireTools } from '../../../support/required-tool.ts';
import { faultRun, timeoutMs } from '../../frame/fault-run.ts';
import { Tally } from '../../frame/tally.ts';
import { LIMIT_MS } from '../limit.ts';
import type { OperatorCommand } from './operator-commands.ts';
import type { RecordChangeName } from './writes/record-changes.ts';
import { RecordedLedger } from './state-checks.ts';

const RUN = faultRun('power', { short: 1, long: 6 });
const SHARE = RUN.isLong ? 1 : 0.3;

const COMMANDS: readonly OperatorCommand[] = ['token create', 'backup', 'restore', 'import'];
/** What the files of all of them depend on. */
const PRECAUTIONS: readonly RecordChangeName[] = ['a new file is never synced', 'the folder is never synced'];

const ledgers: RecordedLedger[] = [];
afterAll(() => ledgers.forEach(({ place }) => rmSync(place, { recursive: true, force: true })));

it(
  'P4 P9: a token file, a backup, a restore and an import, killed or cut off at any write, leave files as before or as after',
  async (test) => {
    requireTools(test, 'gcc');
    const tally = new Tally(RUN, test.task.name);
    for (const command of COMMANDS) {
      const ledger = new RecordedLedger();
      ledgers.push(ledger);
      if (command === 'restore') (await ledger.operate('before restore')).beginHere();
      await ledger.operate(command);
      const checks = { command, seed: RUN.seed, isLong: RUN.isLong };
      const result = await ledger.checkOperator({ ...checks, share: SHARE, cuts: RUN.rounds });
      expect(result.faults).toEqual([]);
      tally.inject(`${command}: states, all`, result.states);
      tally.inject(`${command}: states, different`, result.different);
      for (const change of PRECAUTIONS) {
        const without = await ledger.checkOperator({ ...checks, share: 1, cuts: 1, change, stopsAtFault: true });
        tally.control(`${command}: ${change}`, without.faulty > 0, without.faults[0] ?? 'every state held');
      }
    }
    tally.end();
  },
  Math.max(timeoutMs(RUN), LIMIT_MS),
);
