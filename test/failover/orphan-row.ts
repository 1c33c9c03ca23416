import type { Allocation, OrderNumbersClient } from '../../src/client/index.ts';
import { AWAITS_STANDBY, commitAwaitsStandby } from '../support/postgres/standby-wait.ts';
import { until } from '../support/until.ts';
import type { FailoverLab } from './lab.ts';
import type { Asked } from './history.ts';
import { Told } from './history.ts';

/** A request whose row others can see on the primary, while its standby does not have it. */
export const STRANDED = { storeId: 7n, requestId: 'stranded', count: 1 };
/** The one that was numbered before it. */
export const BEFORE = { storeId: 7n, requestId: 'before', count: 1 };

/**
 * Strands a row by a crash: the primary dies while a commit waits for the standby, and starts again alone. The caller
 * gets no answer; its server, which is the first of the lab, is killed. Returns what was told until then.
 */
export async function strandByCrash(lab: FailoverLab): Promise<Told> {
  const told = await leaveWaiting(lab);
  await lab.restartPrimary();
  await showsRow(lab);
  return told;
}

/** Strands a row by cancelling the wait: sessions of the primary live on. */
export async function strandByCancel(lab: FailoverLab): Promise<Told> {
  const told = await leaveWaiting(lab);
  await lab.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${AWAITS_STANDBY}`);
  await showsRow(lab);
  return told;
}

/** Asks, and has the answer told. */
export async function ask(client: OrderNumbersClient, told: Told, asked: Asked): Promise<void> {
  const startMs = performance.now();
  const answer = await client.allocate(asked);
  told.answered.push({ ...asked, startMs, endMs: performance.now(), answer });
}

/** A commit waits for a standby that gets nothing, and whoever asked for it is dead. */
async function leaveWaiting(lab: FailoverLab): Promise<Told> {
  const told = new Told();
  const [server] = lab.servers;
  const client = await lab.clientOf(server!);
  await ask(client, told, BEFORE);
  // Every server knows that this one is confirmed.
  for (const other of lab.servers) await (await lab.clientOf(other)).getAllocation({ orderId: 1 });
  lab.replication.stall();
  const answer: Promise<Allocation | undefined> = client.allocate(STRANDED).catch(() => undefined);
  await commitAwaitsStandby(lab);
  await lab.killServer(server!);
  client.close();
  if (await answer) throw new Error('a caller was answered before the standby had the row');
  return told;
}

async function showsRow(lab: FailoverLab): Promise<void> {
  const sql = `SELECT FROM order_numbers.allocations WHERE request_id = '${STRANDED.requestId}'`;
  await until('the row is visible on the primary', async () => (await lab.query(sql)).length === 1);
}
