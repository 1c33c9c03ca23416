import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { readMark } from '../../../../src/engines/sqlite/file/high-water-mark.ts';
import { filesOf } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { assertDense } from '../../../support/ledgers/density.ts';
import { requireTools } from '../../../support/required-tool.ts';
import { faultRun, timeoutMs } from '../../frame/fault-run.ts';
import { Random } from '../../frame/random.ts';
import { Tally } from '../../frame/tally.ts';
import type { Verdict } from '../../history/check-history.ts';
import { checkHistory } from '../../history/check-history.ts';
import type { History } from '../../history/history.ts';
import { LIMIT_MS } from '../limit.ts';
import { WITHOUT_FULL, patched } from '../patches.ts';
import { ledgerUnderLoad, TOOLS } from './cut-ledger.ts';

const RUN = faultRun('power', { short: 3, long: 300 });
/** A new ledger after this many: each check reads the whole history. */
const CUTS_PER_LEDGER = 50;
const CONTROL_ROUNDS = 20;

it(
  'P1 P2 P3 P4 P5: what the disk of a server under load has at any moment is all that a power cut needs to leave',
  async (test) => {
    requireTools(test, ...TOOLS);
    const tally = new Tally(RUN, test.task.name);
    const random = new Random(RUN.seed);
    for (let done = 0; done < RUN.rounds; done += CUTS_PER_LEDGER) {
      const cuts = Math.min(CUTS_PER_LEDGER, RUN.rounds - done);
      const verdict = await serveAndCut(random, cuts, (round) => {
        tally.inject('power cut, on a copy of the disk');
        tally.progress(done + round);
      });
      expect(verdict.violations).toEqual([]);
      tally.count(verdict);
    }
    const without = await serveAndCut(random, CONTROL_ROUNDS, () => {}, patched(...WITHOUT_FULL));
    tally.control('synchronous=NORMAL', without.lost + without.holes > 0, without.violations[0] ?? 'nothing was lost');
    tally.end();
  },
  Math.max(timeoutMs(RUN), LIMIT_MS),
);

/** A server under load, and cuts, until one of them loses something. The last verdict counts all. */
async function serveAndCut(
  random: Random,
  cuts: number,
  onCut: (round: number) => void,
  env: Readonly<Record<string, string>> = {},
): Promise<Verdict> {
  const { history, ledger, server, load } = await ledgerUnderLoad(random.below(1e6), env);
  let verdict: Verdict | undefined;
  for (let round = 1; round <= cuts; round++) {
    await load.answers(random.between(10, 60));
    await delay(random.below(20));
    await ledger.disk.lookAfterCut(server.child, (folder) => (verdict = verdictOn(history, join(folder, 'orders.db'))));
    onCut(round);
    if (verdict!.violations.length > 0) break;
  }
  await load.stop();
  await server.kill();
  return verdict!;
}

/** What was answered so far, against what the disk has. Its mark is never ahead. */
function verdictOn(history: History, path: string): Verdict {
  const rows = assertDense(path);
  const verdict = checkHistory(history, rows);
  const mark = readMark(filesOf(path).mark);
  const last = rows.at(-1);
  const end = last ? last.order_id + BigInt(last.count) - 1n : 0n;
  if (typeof mark !== 'object' || mark.lastOrderId <= end) return verdict;
  const ahead = `the mark is at ${mark.lastOrderId}, and the ledger at ${end}`;
  return { ...verdict, lost: verdict.lost + 1, violations: [...verdict.violations, ahead] };
}
