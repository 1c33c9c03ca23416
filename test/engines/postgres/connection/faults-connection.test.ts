import { expect, it } from 'vitest';
import { isBatch } from '../../../support/postgres/batch-query.ts';
import { newDatabaseWithSchema } from '../../../support/postgres/database-with-schema.ts';
import { databaseName, newDatabase, query } from '../../../support/postgres/database.ts';
import { assertDense } from '../../../support/postgres/density.ts';
import { holdCounter } from '../../../support/postgres/held-counter.ts';
import { until } from '../../../support/until.ts';
import { asRole, endSessions, newRole, OpenedLedger, proxiedDatabase } from '../opened-ledger.ts';

const FIRST = { orderId: 1n, orderNumber: 100n };

it('P5: an answer lost after COMMIT costs only time: the batch is retried, and its rows exist once', async () => {
  const { url, proxy, proxiedUrl } = await proxiedDatabase();
  const opened = await OpenedLedger.open(proxiedUrl);
  const cut = proxy.cutAnswerOfNext(isBatch);
  const batch = Array.from({ length: 50 }, (_, i) => ({ storeId: 1n, requestId: `lost-${i}`, count: 1, caller: '' }));
  const outcomes = await opened.ledger.commit(batch);
  await cut;
  expect(outcomes.map((outcome) => 'allocation' in outcome && outcome.allocation.orderId)).toEqual(
    batch.map((_, i) => BigInt(i + 1)),
  );
  expect(await assertDense(url)).toHaveLength(50);
  await opened.says(/lost the connection/);
});

it('P5: a commit waits while the connection is stalled, and is done once when it flows again', async () => {
  const { url, proxy, proxiedUrl } = await proxiedDatabase();
  const opened = await OpenedLedger.open(proxiedUrl);
  proxy.stall();
  const outcome = opened.allocate();
  await opened.says(/did not answer within/);
  await proxy.flow();
  expect(await outcome).toMatchObject({ allocation: FIRST });
  expect(await assertDense(url)).toHaveLength(1);
});

it('P5 P7: while connections are refused a commit waits, and a read asks for a retry', async () => {
  const { url, proxy, proxiedUrl } = await proxiedDatabase();
  const opened = await OpenedLedger.open(proxiedUrl);
  proxy.refuse();
  const outcome = opened.allocate();
  await opened.says(/cannot be opened yet: .*ECONNREFUSED/);
  await expect(opened.ledger.reads.end()).rejects.toMatchObject({ reason: 'LEDGER_REOPENING' });
  await proxy.flow();
  expect(await outcome).toMatchObject({ allocation: FIRST, replayed: false });
  expect(await opened.ledger.reads.getAllocation({ orderId: 1n })).toMatchObject(FIRST);
  expect(await assertDense(url)).toHaveLength(1);
});

it('P7: a batch that may still arrive is not refused: it was sent twice, and found no store the second time', async () => {
  const { url, proxy, proxiedUrl } = await proxiedDatabase();
  const hosts = proxiedUrl.replace(proxy.address, `${proxy.address},${new URL(url).host}`);
  const opened = await OpenedLedger.open(hosts, { autoCreateStores: false });
  proxy.stall();
  const outcome = await opened.allocate('late', 7n);
  expect(outcome).toMatchObject({ refused: { reason: 'OUTCOME_UNKNOWN' } });
  await opened.ledger.createStore({ storeId: 7n, firstNumber: 100n, prefix: '', suffix: '', minDigits: 0 });
  // Now the first one arrives.
  await proxy.flow();
  await until('it is numbered after all', async () => (await assertDense(url)).length === 1);
  expect(await opened.allocate('late', 7n)).toMatchObject({ allocation: FIRST, replayed: true });
});

it('P5: a session terminated in the middle of a batch is replaced, and the batch is numbered once', async () => {
  const url = await newDatabaseWithSchema();
  const opened = await OpenedLedger.open(url);
  const { outcome, release } = await heldCommit(url, opened);
  await endSessions(url);
  await opened.says(/lost the connection to .*terminating connection/);
  await release();
  expect(await outcome).toMatchObject({ allocation: FIRST, replayed: false });
  expect(await assertDense(url)).toHaveLength(1);
});

it('idle sessions that are terminated are replaced, those for reads, too', async () => {
  const url = await newDatabaseWithSchema();
  const opened = await OpenedLedger.open(url);
  await opened.allocate();
  await opened.ledger.reads.end();
  await endSessions(url);
  await opened.says(/lost the connection/);
  await opened.ledger.ready();
  expect(await opened.allocate()).toMatchObject({ allocation: { orderId: 2n } });
  expect(await opened.ledger.reads.end()).toMatchObject({ lastOrderId: 2n });
});

it('too many connections are waited out, at startup and later', async () => {
  const role = await newRole();
  const url = await newDatabase();
  await query(url, `ALTER DATABASE ${databaseName(url)} OWNER TO ${role}`);
  await query(url, `ALTER ROLE ${role} CONNECTION LIMIT 0`);
  const opened = new OpenedLedger(asRole(url, role));
  await opened.says(/cannot be opened yet: .*too many connections/);
  await query(url, `ALTER ROLE ${role} CONNECTION LIMIT -1`);
  expect(await opened.allocate()).toMatchObject({ allocation: FIRST });

  await query(url, `ALTER ROLE ${role} CONNECTION LIMIT 0`);
  opened.said.length = 0;
  await endSessions(url);
  const outcome = opened.allocate();
  await opened.says(/cannot be opened yet: .*too many connections/);
  await query(url, `ALTER ROLE ${role} CONNECTION LIMIT -1`);
  expect(await outcome).toMatchObject({ allocation: { orderId: 2n } });
});

it('a ledger closes while it searches for its primary', async () => {
  const { proxy, proxiedUrl } = await proxiedDatabase();
  const opened = await OpenedLedger.open(proxiedUrl);
  proxy.stall();
  const outcome = opened.allocate();
  await opened.says(/did not answer within/);
  await Promise.all([opened.ledger.close(), expect(outcome).rejects.toBeInstanceOf(Error)]);
});

it('a commit in flight when its ledger closes ends with its session', async () => {
  const url = await newDatabaseWithSchema();
  const opened = await OpenedLedger.open(url);
  const { outcome } = await heldCommit(url, opened);
  const closed = opened.ledger.close();
  await endSessions(url);
  await Promise.all([closed, expect(outcome).rejects.toMatchObject({ reason: 'DRAINING' })]);
});

/** A commit that waits for a lock held by another session. */
async function heldCommit(url: string, opened: OpenedLedger) {
  const counter = await holdCounter(url);
  const outcome = opened.allocate();
  // Its rejection is handled by the one that waits for it.
  outcome.catch(() => {});
  await counter.isWaitedFor();
  return { outcome, release: () => counter.release() };
}
