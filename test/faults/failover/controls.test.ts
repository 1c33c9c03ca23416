import { expect, it } from 'vitest';
import { commitAwaitsStandby } from '../../support/postgres/standby-wait.ts';
import { assertKept } from './assertions.ts';
import { Callers } from './callers.ts';
import { FailoverLab } from './lab.ts';
import { History } from './history.ts';
import { ask, ORPHAN, orphanByCancel } from './orphan-row.ts';

const LOST = 'acknowledged pairs are not in the ledger';

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

it('control: without a synchronous standby the lab catches a pair that is lost; P9: the server that gave it refuses', async () => {
  const lab = await FailoverLab.start({ servers: 1, isSynchronous: false });
  const history = new History();
  const callers = new Callers([lab.client(), lab.client(), lab.client()], history, 'control', 1000n);
  await callers.moreAnswers(20);
  lab.replication.stall();
  await callers.moreAnswers(20);
  callers.leave();
  await lab.failOver();
  const rows = await lab.rows();
  expect(() => assertKept(history, rows)).toThrow(LOST);
  await lab.servers[0]!.line(/this is an older copy, and continuing would give numbers twice/);
});

it('control: without a write on replays the lab catches a replayed pair that is gone after a failover', async () => {
  const { lab, history, replay } = await replayOfOrphanRow(false);
  await replay;
  await lab.failOver();
  const rows = await lab.rows();
  expect(() => assertKept(history, rows)).toThrow(LOST);
});

it('P4 P5: a replay waits until a standby has its row; where that is lost, the request gets another one', async () => {
  const { lab, history, replay } = await replayOfOrphanRow(true);
  await commitAwaitsStandby(lab);
  expect(history.answered).toHaveLength(1);
  await lab.failOver();
  await replay;
  assertKept(history, await lab.rows());
});

/** Replays the request of an orphan row on another server, with a write of its own or without. */
async function replayOfOrphanRow(writes: boolean) {
  const lab = await FailoverLab.start({ servers: 2 });
  if (!writes) {
    await patch(lab, 'allocate_for', WITHOUT_WRITE_ON_REPLAYS);
    await patch(lab, 'allocate_one', WITHOUT_LOCK);
  }
  const client = await lab.clientOf(lab.servers[1]!);
  const history = await orphanByCancel(lab);
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
