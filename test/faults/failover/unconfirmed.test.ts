import { expect, it } from 'vitest';
import type { Allocation, ListFilter, OrderNumbersClient } from '../../../src/client/index.ts';
import { commitAwaitsStandby } from '../../support/postgres/standby-wait.ts';
import { until } from '../../support/until.ts';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { assertHistory } from '../history/check-history.ts';
import type { History } from '../history/history.ts';
import { isExpected, outcomeOf } from '../history/outcome.ts';
import { FailoverLab } from './lab.ts';
import { ask, BEFORE, ORPHAN, orphanByCrash } from './orphan-row.ts';

/** Without rounds of its own. */
const RUN = faultRun('failover', { short: 1, long: 1 });
const ORPHAN_ORDER_ID = 2n;
const ORPHAN_ORDER_NUMBER = 101n;

it(
  'P4 P5: after a crash of the primary a replay waits for the standby, and is the pair that the standby then has',
  async () => {
    const { lab, client, history } = await labWithOrphanRow();
    const replay = ask(client, history, ORPHAN);
    await commitAwaitsStandby(lab);
    expect(history.acknowledged).toBe(1);
    await lab.replication.flow();
    expect(await replay).toMatchObject({ orderId: ORPHAN_ORDER_ID, replayed: true });
    await lab.failOver();
    assertHistory(history, await lab.rows());
  },
  timeoutMs(RUN),
);

it(
  'P4 P5: where the pair is lost with the primary, a replay that waited for it is answered with another one',
  async () => {
    const { lab, client, history } = await labWithOrphanRow();
    const replay = ask(client, history, ORPHAN);
    await commitAwaitsStandby(lab);
    await lab.failOver();
    expect(await replay).toMatchObject(ORPHAN);
    assertHistory(history, await lab.rows());
  },
  timeoutMs(RUN),
);

it(
  'P4: no look-up, list, verification or watch shows a row that no standby has, or ends before it, until it has it',
  async () => {
    const { lab, client, history } = await labWithOrphanRow();
    const watched: bigint[] = [];
    const stop = new AbortController();
    const watch = (async () => {
      for await (const step of client.watchAllocations({ afterOrderId: 0 }, { signal: stop.signal })) {
        watched.push(...step.allocations.map(({ orderId }) => orderId));
      }
    })();
    // Until the row is confirmed or gone, neither it nor NOT_FOUND is an answer.
    const looks = lookups(client).map((look) => expect(look(1_500)).rejects.toSatisfy(isIndefinite));
    // Nor is a list without it.
    const ends = [list(client), list(client, { newestFirst: true }), verify(client)];
    await Promise.all([...looks, ...ends.map((end) => expect(end).rejects.toSatisfy(isIndefinite))]);
    expect(await list(client, { beforeOrderId: ORPHAN_ORDER_ID })).toEqual([1n]);
    await until('the watcher has seen the first', () => watched.length > 0);
    expect(watched).toEqual([1n]);

    await lab.replication.flow();
    for (const look of lookups(client)) expect(await look(20_000)).toMatchObject(ORPHAN);
    expect(await list(client)).toEqual([1n, 2n]);
    await until('the watcher has seen the second', () => watched.length > 1);
    expect(watched).toEqual([1n, 2n]);
    stop.abort();
    await watch;
    expect(history.acknowledged).toBe(1);
  },
  timeoutMs(RUN),
);

it(
  'P4: a look-up that saw a row on the old primary does not show it when the new one has another in its place',
  async () => {
    const { lab, client, history } = await labWithOrphanRow();
    const looks = lookups(client).map((look) =>
      look(20_000).then(
        (allocation) => history.saw('a reader', allocation),
        () => {},
      ),
    );
    await until('the look-ups have the row', async () => (await readsOfRow(lab)) >= looks.length);
    await lab.failOver();
    const inItsPlace = { storeId: ORPHAN.storeId, requestId: 'in-its-place', count: 1 };
    expect(await ask(client, history, inItsPlace)).toMatchObject({ orderId: ORPHAN_ORDER_ID });
    await Promise.all(looks);
    assertHistory(history, await lab.rows());
  },
  timeoutMs(RUN),
);

/** An orphan row, and a client of a server that did not write it. */
async function labWithOrphanRow(): Promise<{ lab: FailoverLab; client: OrderNumbersClient; history: History }> {
  const lab = await FailoverLab.start({ servers: 1 });
  const client = await lab.clientOf(await lab.startLocalServer(), { timeoutMs: 30_000, attemptTimeoutMs: 20_000 });
  const history = await orphanByCrash(lab, client);
  expect(history.calls[0]!.answer).toMatchObject({ orderId: 1n, requestId: BEFORE.requestId });
  return { lab, client, history };
}

function lookups(client: OrderNumbersClient): ((timeoutMs: number) => Promise<Allocation>)[] {
  const { storeId, requestId } = ORPHAN;
  return [
    (limitMs) => client.getAllocation({ orderId: ORPHAN_ORDER_ID }, { timeoutMs: limitMs }),
    (limitMs) => client.getAllocation({ storeId, orderNumber: ORPHAN_ORDER_NUMBER }, { timeoutMs: limitMs }),
    (limitMs) => client.getAllocation({ storeId, requestId }, { timeoutMs: limitMs }),
  ];
}

async function list(client: OrderNumbersClient, filter: ListFilter = {}): Promise<bigint[]> {
  const orderIds: bigint[] = [];
  for await (const { orderId } of client.listAllocations(filter, { timeoutMs: 3_000 })) orderIds.push(orderId);
  return orderIds;
}

async function verify(client: OrderNumbersClient): Promise<string[]> {
  const kinds: string[] = [];
  for await (const { kind } of client.verifyLedger()) kinds.push(kind);
  return kinds;
}

/** The number of idle sessions that have read the row: the reads that wait until it is confirmed. */
async function readsOfRow(lab: FailoverLab): Promise<number> {
  const sql = `SELECT FROM pg_stat_activity WHERE state = 'idle' AND query ~ 'allocation_up_to|allocation_by_request_id'`;
  return (await lab.query(sql)).length;
}

/** Whether an error says nothing about the ledger: no answer or "unknown", but no refusal. */
function isIndefinite(error: unknown): boolean {
  return isExpected(outcomeOf(error).says);
}
