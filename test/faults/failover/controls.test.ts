import { expect, it } from 'vitest';
import { commitAwaitsStandby } from '../../support/postgres/standby-wait.ts';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Tally } from '../frame/tally.ts';
import type { Verdict } from '../history/check-history.ts';
import { assertHistory, checkHistory } from '../history/check-history.ts';
import { History } from '../history/history.ts';
import { Load } from '../history/load.ts';
import { FailoverLab } from './lab.ts';
import { ask, ORPHAN, orphanByCancel } from './orphan-row.ts';

const RUN = faultRun('failover', { short: 1, long: 1 });

type Patch = readonly [part: string, replacement: string];

/** Removes the write on replays from what allocates: the lock of the counter's row and its new version. */
const WITHOUT_WRITE_ON_REPLAYS: readonly Patch[] = [
  ['WHERE moving_from IS NULL FOR UPDATE;', 'WHERE moving_from IS NULL;'],
  ['FROM (SELECT sum(count) AS numbers FROM fresh) AS given', '$& WHERE given.numbers > 0'],
  [
    "known_order_id), ''), last_order_id, version",
    "known_order_id), ''), ledger_row.last_order_id, ledger_row.version",
  ],
  ['FROM asked, ended WHERE known_order_id', 'FROM asked WHERE known_order_id'],
];
const WITHOUT_LOCK: readonly Patch[] = [['FOR UPDATE;', ';']];

it(
  'control: without a synchronous standby a pair is lost at promotion; P9: the server that gave it refuses',
  async ({ task }) => {
    const lab = await FailoverLab.start({ servers: 0, isSynchronous: false });
    const server = await lab.startLocalServer();
    const history = new History();
    const load = new Load({ history, addresses: [lab.address], name: 'control', callers: 3 });
    await load.answers(20);
    lab.replication.stall();
    await load.answers(20);
    load.leave();
    // The load fails with the test: its server never serves again.
    load.stop().catch(() => {});
    await lab.failOver();
    const verdict = checkHistory(history, await lab.rows());
    endControl(task.name, 'no synchronous standby', verdict);
    expect(verdict.lost).toBeGreaterThan(0);
    await server.line(/this is an older copy, and continuing would give numbers twice/);
  },
  timeoutMs(RUN),
);

it(
  'control: a pair that was replayed without a write is lost at promotion',
  async ({ task }) => {
    const { lab, history, replay } = await replayOfOrphanRow(false);
    await replay;
    await lab.failOver();
    const verdict = checkHistory(history, await lab.rows());
    endControl(task.name, 'a replay is answered without a write of its own', verdict);
    expect(verdict.lost).toBe(1);
  },
  timeoutMs(RUN),
);

it(
  'P4 P5: a replay waits until a standby has its row; where that is lost, the request gets another one',
  async () => {
    const { lab, history, replay } = await replayOfOrphanRow(true);
    await commitAwaitsStandby(lab);
    expect(history.acknowledged).toBe(1);
    await lab.failOver();
    await replay;
    assertHistory(history, await lab.rows());
  },
  timeoutMs(RUN),
);

/** Red if an acknowledged pair is lost. */
function endControl(test: string, control: string, { lost, violations }: Verdict): void {
  const tally = new Tally(RUN, test, { engine: 'PostgreSQL', promises: 'P4 P5' });
  tally.inject('primary killed, standby promoted');
  tally.control(
    control,
    lost > 0,
    violations.find((sentence) => sentence.includes('was answered')) ?? 'nothing is lost',
  );
  tally.end();
}

/** Replays the request of an orphan row on another server, with a write of its own or without. */
async function replayOfOrphanRow(writes: boolean) {
  const lab = await FailoverLab.start({ servers: 1 });
  if (!writes) {
    await patch(lab, 'allocate_for', WITHOUT_WRITE_ON_REPLAYS);
    await patch(lab, 'allocate_one', WITHOUT_LOCK);
  }
  const client = await lab.clientOf(await lab.startLocalServer());
  const history = await orphanByCancel(lab, client);
  const replay = ask(client, history, ORPHAN);
  // The tests that await it report a failure.
  replay.catch(() => {});
  return { lab, history, replay };
}

async function patch(lab: FailoverLab, name: string, patches: readonly Patch[]): Promise<void> {
  const [row] = await lab.query(`SELECT pg_get_functiondef(oid) AS definition FROM pg_proc WHERE proname = '${name}'`);
  let definition = String(row!['definition']);
  for (const [part, replacement] of patches) {
    expect(definition).toContain(part);
    definition = definition.replace(part, replacement);
  }
  await lab.query(definition);
}
