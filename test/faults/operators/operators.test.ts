import { join } from 'node:path';
import { expect, it } from 'vitest';
import { newDatabase } from '../../support/postgres/database.ts';
import { assertDense } from '../../support/postgres/density.ts';
import { localOrderNumbers } from '../../support/processes/local-command.ts';
import { until } from '../../support/until.ts';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Tally } from '../frame/tally.ts';
import { assertHistory, checkHistory } from '../history/check-history.ts';
import { History } from '../history/history.ts';
import { Load } from '../history/load.ts';
import { Reader, Watcher } from '../history/observers.ts';
import { Operator } from '../history/operators.ts';
import { isGuestRefused, Shop } from './shop.ts';

const RUN = faultRun('operators', { short: 1, long: 25 });
const ANSWERS = RUN.isLong ? 1_000 : 100;
/** So that the short form waits for an operator's commands, and computes little meanwhile. */
const PAUSE_MS = RUN.isLong ? 0 : 20;
const READER_PAUSE_MS = RUN.isLong ? 20 : 100;
const OPERATOR_PAUSE_MS = RUN.isLong ? 100 : 500;
const STEP = ['stores get', 'stores create', 'stores update', 'verify', 'backup'];
const CHANGES = ['token create', 'token revoke', 'certificate', 'migrate'];

it(
  'P1 P2 P3 P4 P5 P7: whatever an operator does under load, between kills and over a move to PostgreSQL, all answers hold',
  async ({ task }) => {
    const tally = new Tally(RUN, task.name, { engine: 'SQLite, then PostgreSQL' });
    const history = new History();
    const shop = await Shop.open(history);
    const { address, ...client } = shop.options;
    const load = new Load({ history, addresses: [address!], client, seed: RUN.seed, pauseMs: PAUSE_MS });
    const watchers = [new Watcher(shop.client(), history, 'w1'), new Watcher(shop.client(), history, 'w2', 2n)];
    const reader = new Reader(shop.client(), history, 'a reader', READER_PAUSE_MS);
    const { ledger, folder } = shop;
    const operator = new Operator({
      client: shop.client(),
      history,
      backup: { ledger, folder },
      pauseMs: OPERATOR_PAUSE_MS,
    });
    for (let round = 1; round <= RUN.rounds; round++) {
      await load.answers(ANSWERS);
      await shop.changeTokens();
      await shop.changeCertificate();
      await shop.kill();
      await shop.start();
      tally.inject('kill -9 under load and an operator');
      tally.progress(round);
    }
    await load.answers(ANSWERS);
    await until('each command was answered once', () => STEP.every((name) => isAnswered(history, name)));
    await operator.stop();
    await shop.moveTo(await newDatabase());
    tally.inject('move to PostgreSQL under load');
    await load.answers(ANSWERS);
    await Promise.all([load.stop(), reader.stop()]);

    const rows = await assertDense(shop.ledger);
    const last = rows.at(-1)!;
    await Promise.all(watchers.map((watcher) => watcher.reaches(last.order_id + BigInt(last.count) - 1n)));
    await Promise.all(watchers.map((watcher) => watcher.stop()));
    const verdict = assertHistory(history, rows, { mayBeRefused: isGuestRefused });
    expect(reader.answers).toBeGreaterThan(0);
    expect([...STEP, ...CHANGES].filter((name) => !isAnswered(history, name))).toEqual([]);
    tally.count(verdict);
    const { lost, violations } = checkHistory(history, rows.slice(0, -1), { mayBeRefused: isGuestRefused });
    tally.control(
      'the last row is taken out of the ledger',
      lost > 0 || violations.length > 0,
      violations[0] ?? 'nothing',
    );
    expect(verdict.found).toBe(verdict.acknowledged);
    tally.end();
  },
  timeoutMs(RUN),
);

it(
  'control: a move of a backup instead of the ledger loses what was acknowledged since',
  async ({ task }) => {
    const tally = new Tally(RUN, task.name, { engine: 'SQLite, then PostgreSQL', promises: 'P4 P5' });
    const history = new History();
    const shop = await Shop.open(history);
    const { address, ...client } = shop.options;
    const load = new Load({ history, addresses: [address!], client, combining: 1, single: 0, callers: 4 });
    await load.answers(20);
    const copy = join(shop.folder, 'copy.db');
    expect(await localOrderNumbers(['backup', '--ledger', shop.ledger, copy])).toMatchObject({ exitCode: 0 });
    await load.answers(20);
    await load.stop();
    const url = await newDatabase();
    await shop.move(url, copy);
    const { lost, violations } = checkHistory(history, await assertDense(url));
    tally.inject('move to PostgreSQL');
    tally.control('a backup is moved instead of the ledger', lost > 0, violations[0] ?? 'nothing is lost');
    tally.end(1);
    expect(lost).toBeGreaterThan(0);
  },
  timeoutMs(RUN),
);

/** A command that was only asked has an answer that is unknown. */
function isAnswered({ answers }: History, name: string): boolean {
  return (answers.get(name)?.done ?? 0) > 0;
}
