import { expect, it, onTestFinished } from 'vitest';
import type { OrderNumbersClient } from '../../../../src/client/index.ts';
import { createClient } from '../../../../src/client/index.ts';
import type { PostgresCluster } from '../../../support/postgres/cluster/cluster.ts';
import { newPair } from '../../../support/postgres/pair.ts';
import { ServerProcess } from '../../../support/processes/server-process.ts';
import { TcpProxy } from '../../../support/network/tcp-proxy.ts';
import { until } from '../../../support/until.ts';
import { OpenedLedger } from '../opened-ledger.ts';

const STORE = 1n;
/** Conditions on pg_stat_activity: the session of a server that writes, and those that read. */
const WRITES = `application_name = 'order-numbers' AND query ~ 'order_numbers.(allocate_for|allocate_one|confirm)\\('`;
const READS = `application_name = 'order-numbers' AND query ~ 'order_numbers.ledger_end\\('`;

it('P4: behind one address that moves to the promoted standby, reads and watchers leave an old primary that is still running', async () => {
  const { primary, standby } = await newPair();
  const address = await TcpProxy.start(primary.address);
  onTestFinished(() => address.close());
  const server = new ServerProcess(primary.url().replace(primary.address, address.address));
  const client = clientOf(await server.serving());
  await client.allocate({ storeId: STORE, requestId: 'first' });
  expect(await client.getAllocation({ orderId: 1 })).toMatchObject({ requestId: 'first' });
  const watched = watch(clientOf(await server.serving()));
  await until('the watcher has the first', () => watched.length === 1);
  expect(saidOfStandbys(server)).toEqual([]);

  // The old primary lives on, and so do the connections for reads: only the session that writes ends.
  await standby.promote();
  address.target = standby.address;
  await endSessions(primary, WRITES);
  await server.line(/synchronous_standby_names is empty/);
  expect(await client.allocate({ storeId: STORE, requestId: 'second' })).toMatchObject({ orderId: 2n });
  const other = await OpenedLedger.open(standby.url());
  expect(await other.allocate('third', STORE)).toMatchObject({ allocation: { orderId: 3n } });
  await until('the watcher has them all', () => watched.length === 3);
  await hasNoSessions(primary);
  await shows(client, ['first', 'second', 'third']);

  // For a moment the address leads back, and read connections reconnect meanwhile.
  address.target = primary.address;
  await endSessions(standby, READS);
  await until('the old primary is read', async () => (await sessions(primary, READS)).length > 0);
  address.target = standby.address;
  expect(await other.allocate('fourth', STORE)).toMatchObject({ allocation: { orderId: 4n } });
  await until('the watcher has the fourth', () => watched.length === 4);
  await hasNoSessions(primary);
  await shows(client, ['first', 'second', 'third', 'fourth']);
  expect(watched).toEqual([1n, 2n, 3n, 4n]);
  // Logged once, for the one server that has no standby.
  expect(saidOfStandbys(server)).toHaveLength(1);
});

function clientOf(address: string): OrderNumbersClient {
  const client = createClient({ address, timeoutMs: 10_000 });
  onTestFinished(() => client.close());
  return client;
}

/** The order_ids that a watcher of everything is shown, from now on. */
function watch(client: OrderNumbersClient): readonly bigint[] {
  const watched: bigint[] = [];
  const stop = new AbortController();
  const atWork = (async () => {
    for await (const { allocations } of client.watchAllocations({ afterOrderId: 0 }, { signal: stop.signal })) {
      watched.push(...allocations.map(({ orderId }) => orderId));
    }
  })();
  onTestFinished(async () => {
    stop.abort();
    await atWork;
  });
  return watched;
}

/** Asserts that these requests have the order_ids from 1 on, and that every read agrees. */
async function shows(client: OrderNumbersClient, requestIds: readonly string[]): Promise<void> {
  for (const [i, requestId] of requestIds.entries()) {
    const allocation = { orderId: BigInt(i + 1), requestId };
    expect(await client.getAllocation({ orderId: i + 1 })).toMatchObject(allocation);
    expect(await client.getAllocation({ storeId: STORE, requestId })).toMatchObject(allocation);
  }
  const listed: string[] = [];
  for await (const { requestId } of client.listAllocations()) listed.push(requestId);
  expect(listed).toEqual(requestIds);
}

function sessions(server: PostgresCluster, which: string) {
  return server.query(`SELECT pid FROM pg_stat_activity WHERE ${which}`);
}

async function endSessions(server: PostgresCluster, which: string): Promise<void> {
  const ended = await server.query(`SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE ${which}`);
  expect(ended.length).toBeGreaterThan(0);
}

/** Resolves when no session reads from it: a client that retries might hit a better connection then. */
async function hasNoSessions(server: PostgresCluster): Promise<void> {
  await until('the old primary is left', async () => (await sessions(server, READS)).length === 0);
}

function saidOfStandbys(server: ServerProcess): string[] {
  return server.log.flatMap(({ msg }) => (/synchronous standby/.test(msg) ? [msg] : []));
}
