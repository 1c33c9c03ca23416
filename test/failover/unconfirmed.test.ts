import { expect, it } from 'vitest';
import type { Allocation, OrderNumbersClient } from '../../src/client/index.ts';
import { commitAwaitsStandby } from '../support/postgres/standby-wait.ts';
import { until } from '../support/until.ts';
import { assertKept } from './assertions.ts';
import { FailoverLab } from './lab.ts';
import { isIndefinite, Told } from './history.ts';
import { ask, BEFORE, STRANDED, strandByCrash } from './orphan-row.ts';

const STRANDED_ORDER_ID = 2n;
const STRANDED_ORDER_NUMBER = 101n;

it('P4 P5: after a crash of the primary a replay waits for the standby, and is the pair that the standby then has', async () => {
  const { lab, client, told } = await labWithStrandedRow();
  const replay = ask(client, told, STRANDED);
  await commitAwaitsStandby(lab);
  expect(told.answered).toHaveLength(1);
  await lab.replication.flow();
  await replay;
  expect(told.answered[1]!.answer).toMatchObject({ orderId: STRANDED_ORDER_ID, replayed: true });
  await lab.failOver();
  assertKept(told, await lab.rows());
});

it('P4 P5: where the pair is lost with the primary, a replay that waited for it is answered with another one', async () => {
  const { lab, client, told } = await labWithStrandedRow();
  const replay = ask(client, told, STRANDED);
  await commitAwaitsStandby(lab);
  await lab.failOver();
  await replay;
  expect(told.answered[1]!.answer).toMatchObject(STRANDED);
  assertKept(told, await lab.rows());
});

it('P4: no look-up, list or watch shows a row that no standby has, until it has it', async () => {
  const { lab, client, told } = await labWithStrandedRow();
  const watched: bigint[] = [];
  const stop = new AbortController();
  const watch = (async () => {
    for await (const step of client.watchAllocations({ afterOrderId: 0 }, { signal: stop.signal })) {
      watched.push(...step.allocations.map(({ orderId }) => orderId));
    }
  })();
  // While it is not known which it will be, neither "there is none" nor the row is an answer.
  const looks = lookups(client).map((look) => expect(look(1_500)).rejects.toSatisfy(isIndefinite));
  await Promise.all(looks);
  expect(await list(client)).toEqual([1n]);
  await until('the watcher has seen the first', () => watched.length > 0);
  expect(watched).toEqual([1n]);

  await lab.replication.flow();
  for (const look of lookups(client)) expect(await look(20_000)).toMatchObject(STRANDED);
  expect(await list(client)).toEqual([1n, 2n]);
  await until('the watcher has seen the second', () => watched.length > 1);
  expect(watched).toEqual([1n, 2n]);
  stop.abort();
  await watch;
  expect(told.answered).toHaveLength(1);
});

it('P4: a look-up that saw a row on the old primary does not show it when the new one has another in its place', async () => {
  const { lab, client, told } = await labWithStrandedRow();
  const looks = lookups(client).map((look) =>
    look(20_000).then(
      (allocation) => told.show('a reader', allocation),
      () => {},
    ),
  );
  await until('the look-ups have the row', async () => (await readsOfRow(lab)) >= looks.length);
  await lab.failOver();
  await ask(client, told, { storeId: STRANDED.storeId, requestId: 'in-its-place', count: 1 });
  expect(told.answered[1]!.answer).toMatchObject({ orderId: STRANDED_ORDER_ID });
  await Promise.all(looks);
  assertKept(told, await lab.rows());
});

/** A row that only the primary has, and a client of a server that did not make it. */
async function labWithStrandedRow(): Promise<{ lab: FailoverLab; client: OrderNumbersClient; told: Told }> {
  const lab = await FailoverLab.start({ servers: 2 });
  const client = await lab.clientOf(lab.servers[1]!, { timeoutMs: 30_000, attemptTimeoutMs: 20_000 });
  const told = await strandByCrash(lab);
  expect(told.answered[0]!.answer).toMatchObject({ orderId: 1n, requestId: BEFORE.requestId });
  return { lab, client, told };
}

function lookups(client: OrderNumbersClient): ((timeoutMs: number) => Promise<Allocation>)[] {
  const { storeId, requestId } = STRANDED;
  return [
    (timeoutMs) => client.getAllocation({ orderId: STRANDED_ORDER_ID }, { timeoutMs }),
    (timeoutMs) => client.getAllocation({ storeId, orderNumber: STRANDED_ORDER_NUMBER }, { timeoutMs }),
    (timeoutMs) => client.getAllocation({ storeId, requestId }, { timeoutMs }),
  ];
}

async function list(client: OrderNumbersClient): Promise<bigint[]> {
  const orderIds: bigint[] = [];
  for await (const { orderId } of client.listAllocations()) orderIds.push(orderId);
  return orderIds;
}

/** Sessions that read the row and are idle now: the reads that wait for it to be confirmed. */
async function readsOfRow(lab: FailoverLab): Promise<number> {
  const sql = `SELECT FROM pg_stat_activity WHERE state = 'idle' AND query ~ 'last_up_to_order|by_request_id'`;
  return (await lab.query(sql)).length;
}
