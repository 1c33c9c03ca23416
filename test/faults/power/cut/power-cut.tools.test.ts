import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { assertDense } from '../../../support/ledgers/density.ts';
import { requireTools } from '../../../support/required-tool.ts';
import { faultRun, timeoutMs } from '../../frame/fault-run.ts';
import { Random } from '../../frame/random.ts';
import { Tally } from '../../frame/tally.ts';
import type { Verdict } from '../../history/check-history.ts';
import { checkHistory } from '../../history/check-history.ts';
import type { Load } from '../../history/load.ts';
import { LIMIT_MS } from '../limit.ts';
import { WITHOUT_FULL, patched } from '../patches.ts';
import type { CutLedger } from './cut-ledger.ts';
import { ledgerUnderLoad, TOOLS } from './cut-ledger.ts';

const RUN = faultRun('power', { short: 2, long: 60 });
/** So many ledgers at the same time, each on a disk of its own: a start waits more than it computes. */
const LANES = RUN.isLong ? 6 : 1;
/** A loss needs a cut between a commit and the write-back of its pages: about every second round has one. */
const CONTROL_ROUNDS = 10;

it(
  'P1 P2 P3 P4 P5 P7: power cuts under load lose no answered order and number nothing twice',
  async (test) => {
    requireTools(test, ...TOOLS);
    const tally = new Tally(RUN, test.task.name);
    const random = new Random(RUN.seed);
    let round = 0;
    await Promise.all(
      Array.from({ length: LANES }, async (_, lane) => {
        const { history, ledger, load } = await ledgerUnderLoad(RUN.seed + lane);
        while (round++ < RUN.rounds) {
          tally.progress(round);
          await cutUnderLoad(ledger, load, random, tally);
          await ledger.start();
        }
        await load.stop();
        const verdict = checkHistory(history, assertDense(ledger.path));
        expect(verdict.violations).toEqual([]);
        tally.count(verdict);
      }),
    );
    const says = await controlWithoutFull(random);
    tally.control('synchronous=NORMAL', says !== undefined, says ?? `nothing lost in ${CONTROL_ROUNDS} rounds`);
    tally.end();
  },
  Math.max(timeoutMs(RUN), LIMIT_MS),
);

async function cutUnderLoad(ledger: CutLedger, load: Load, random: Random, tally?: Tally): Promise<void> {
  await load.answers(random.between(20, 100));
  await delay(random.below(30));
  const how = random.pick(['stopped', 'killed'] as const);
  await ledger.cut(how);
  tally?.inject(how === 'stopped' ? 'power cut under a stopped server' : 'power cut right after kill -9');
}

/** What the checks say of a server whose commits are not synced; undefined if nothing was lost. */
async function controlWithoutFull(random: Random): Promise<string | undefined> {
  const env = patched(...WITHOUT_FULL);
  for (let round = 1; round <= CONTROL_ROUNDS; round++) {
    const { history, ledger, load } = await ledgerUnderLoad(round, env);
    await cutUnderLoad(ledger, load, random);
    load.leave();
    try {
      await ledger.start(env);
    } catch (error) {
      return `in round ${round} the start was refused: ${String(error).slice(0, 300)}`;
    }
    await load.stop();
    const verdict: Verdict = checkHistory(history, assertDense(ledger.path));
    if (verdict.lost + verdict.twice > 0) return `in round ${round}: ${verdict.violations[0]}`;
  }
  return undefined;
}
