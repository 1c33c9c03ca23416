import { describe, expect, it, onTestFinished } from 'vitest';
import { PostgresCluster } from '../../../support/postgres/cluster/cluster.ts';
import { newDatabase, query } from '../../../support/postgres/database.ts';
import { assertDense } from '../../../support/postgres/density.ts';
import { TcpProxy } from '../../../support/network/tcp-proxy.ts';
import { until } from '../../../support/until.ts';
import { endSessions, OpenedLedger, proxiedDatabase } from '../opened-ledger.ts';

const DATABASE = 'postgres';

describe('with two hosts', () => {
  it('the second is used if the first is a standby', async () => {
    const { primary, standby } = await pair();
    const opened = await OpenedLedger.open(urlOf(standby, primary));
    expect(await opened.allocate()).toMatchObject({ allocation: { orderId: 1n } });
    expect(await assertDense(primary.url(DATABASE))).toHaveLength(1);
  });

  it('P4 P5: the session leaves one that becomes read-only as soon as the other is promoted', async () => {
    const { primary, standby } = await pair();
    const opened = await OpenedLedger.open(urlOf(primary, standby));
    await opened.allocate('before');
    await primary.setting('default_transaction_read_only', 'on');
    const outcome = opened.allocate('after');
    await opened.says(/lost the connection to .*read-only transaction/);
    await opened.says(/is read-only .*; .* is recovering/);
    await standby.promote();
    expect(await outcome).toMatchObject({ allocation: { orderId: 2n }, replayed: false });
    expect(await assertDense(standby.url(DATABASE))).toHaveLength(2);
    expect(await assertDense(primary.url(DATABASE))).toHaveLength(1);
  });

  it('P9: an old primary that came back numbers nothing, whatever the other one does', async () => {
    const { primary, standby } = await pair();
    const opened = await OpenedLedger.open(urlOf(primary, standby));
    await opened.allocate('old');
    await primary.kill();
    await standby.promote();
    expect(await opened.allocate('new')).toMatchObject({ allocation: { orderId: 2n } });

    // It requires no standby any more: only its timeline shows that it is old.
    await primary.restart();
    await primary.setting('synchronous_standby_names', '');
    await standby.kill();
    const outcome = opened.allocate('newer');
    await opened.says(/is an old primary \(timeline 1, but 2 was seen\).*or restart this server/);
    await standby.restart();
    expect(await outcome).toMatchObject({ allocation: { orderId: 3n } });
    expect(await assertDense(standby.url(DATABASE))).toHaveLength(3);
    expect(await assertDense(primary.url(DATABASE))).toHaveLength(1);
  });
});

it('a host that accepts a session and then stays silent is left for the next one', async () => {
  const { url, proxy, proxiedUrl } = await proxiedDatabase();
  // This fault cuts nothing: it only sees the first query of a session, whose answer does not pass.
  void proxy
    .cutAnswerOfNext((bytes) => {
      if (bytes.includes('set_config')) proxy.stall();
      return false;
    })
    .catch(() => {});
  const opened = new OpenedLedger(proxiedUrl.replace(proxy.address, `${proxy.address},${new URL(url).host}`));
  expect(await opened.allocate()).toMatchObject({ allocation: { orderId: 1n } });
});

describe('a ledger that was replaced by another', () => {
  it.each([
    ['with another ledger_id', `ledger_id = 'other'`, /has ledger other, but .* was served/],
    ['that ends before what was given', 'last_order_id = 1', /ends at order_id 1, but 2 was already given/],
  ])('P9: %s is neither numbered nor read until the right one is back', async (_, change, says) => {
    const url = await newDatabase();
    const opened = await OpenedLedger.open(url);
    await opened.allocate('first');
    await opened.allocate('second');
    await query(url, 'CREATE TABLE kept AS SELECT ledger_id, last_order_id FROM order_numbers.ledger');
    await query(url, `UPDATE order_numbers.ledger SET ${change}`);
    await endSessions(url);
    const outcome = opened.allocate('third');
    await opened.says(says);
    const { reads } = opened.ledger;
    await expect(reads.getAllocation({ orderId: 3n })).rejects.toMatchObject({ reason: 'LEDGER_REOPENING' });
    await query(
      url,
      'UPDATE order_numbers.ledger SET ledger_id = kept.ledger_id, last_order_id = kept.last_order_id FROM kept',
    );
    expect(await outcome).toMatchObject({ allocation: { orderId: 3n, orderNumber: 102n } });
    expect(await assertDense(url)).toHaveLength(3);
  });
});

it('P4: a read standby ahead of the promoted one shows nothing that was lost', async () => {
  const { primary, standby, replication } = await pair();
  const ahead = await primary.makeStandby('ahead');
  const hosts = urlOf(primary, standby);
  const opened = await OpenedLedger.open(hosts, { readUrl: ahead.url(DATABASE) });
  const dying = await OpenedLedger.open(hosts);
  await opened.allocate('first');
  replication.stall();
  const lost = dying.allocate('lost').catch(() => undefined);
  const sql = `SELECT FROM order_numbers.allocations WHERE request_id = 'lost'`;
  await until('the row is on the standby for reads', async () => (await ahead.query(sql)).length === 1);
  // The caller does not retry.
  const closed = dying.ledger.close();
  await primary.kill();
  replication.cut();
  await standby.promote();
  await Promise.all([lost, closed]);

  expect(await opened.allocate('in-its-place')).toMatchObject({ allocation: { orderId: 2n } });
  const { reads } = opened.ledger;
  expect(await reads.getAllocation({ orderId: 2n })).toMatchObject({ requestId: 'in-its-place' });
  const range = { afterOrderId: 0n, upToOrderId: 2n, storeId: undefined, limit: 10 };
  const listed = await reads.listAllocations(range);
  expect(listed.map(({ requestId }) => requestId)).toEqual(['first', 'in-its-place']);
});

/** A primary and its synchronous standby, and the network between them. */
async function pair() {
  const primary = await PostgresCluster.start();
  onTestFinished(() => primary.close());
  const replication = await TcpProxy.start(primary.address);
  onTestFinished(() => replication.close());
  const standby = await primary.makeStandby('standby', replication.address);
  await primary.requireSync('standby');
  await primary.syncsTo('standby');
  return { primary, standby, replication };
}

function urlOf(first: PostgresCluster, second: PostgresCluster): string {
  return `postgres://postgres@${first.address},${second.address}/${DATABASE}`;
}
