import type { Allocated, Allocation, OrderNumbersClient } from '../../../src/client/index.ts';
import { AWAITS_STANDBY, commitAwaitsStandby } from '../../support/postgres/standby-wait.ts';
import { until } from '../../support/until.ts';
import type { FailoverLab } from './lab.ts';
import type { Asked } from '../history/history.ts';
import { History } from '../history/history.ts';
import { pairOf } from '../history/pair.ts';

/** The request of the orphan row: visible on the primary, while no standby has it. */
export const ORPHAN = { storeId: 7n, requestId: 'orphan', count: 1 };
/** The request that was numbered before it. */
export const BEFORE = { storeId: 7n, requestId: 'before', count: 1 };

/**
 * Makes an orphan row by a crash: the primary dies while a commit waits for the standby, and starts again alone. The
 * caller gets no answer; its server, the first of the lab, is killed. `other` is a client of another server. Returns the
 * history up to there.
 */
export async function orphanByCrash(lab: FailoverLab, other: OrderNumbersClient): Promise<History> {
  const history = await leaveWaiting(lab, other);
  await lab.restartPrimary();
  await showsRow(lab);
  return history;
}

/** Makes an orphan row by cancelling the wait: the primary's other sessions survive. */
export async function orphanByCancel(lab: FailoverLab, other: OrderNumbersClient): Promise<History> {
  const history = await leaveWaiting(lab, other);
  await lab.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${AWAITS_STANDBY}`);
  await showsRow(lab);
  return history;
}

/** Allocates, and adds the answer to the history. */
export async function ask(client: OrderNumbersClient, history: History, asked: Asked): Promise<Allocated> {
  const call = history.begin('a caller', asked);
  const answer = await client.allocate(asked);
  history.answered(call, pairOf(answer), answer.replayed);
  return answer;
}

/** Leaves a commit that waits for a standby without replication; the server that asked for it is dead. */
async function leaveWaiting(lab: FailoverLab, other: OrderNumbersClient): Promise<History> {
  const history = new History();
  const [server] = lab.servers;
  const client = await lab.clientOf(server!);
  await ask(client, history, BEFORE);
  // Now every server knows that BEFORE is confirmed.
  for (const each of [client, other]) await each.getAllocation({ orderId: 1 });
  lab.replication.stall();
  history.begin('a caller without an answer', ORPHAN);
  const answer: Promise<Allocation | undefined> = client.allocate(ORPHAN).catch(() => undefined);
  await commitAwaitsStandby(lab);
  await lab.killServer(server!);
  client.close();
  if (await answer) throw new Error('a caller was answered before the standby had the row');
  return history;
}

async function showsRow(lab: FailoverLab): Promise<void> {
  const sql = `SELECT FROM order_numbers.allocations WHERE request_id = '${ORPHAN.requestId}'`;
  await until('the row is visible on the primary', async () => (await lab.query(sql)).length === 1);
}
