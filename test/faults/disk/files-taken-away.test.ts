import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { expect, it, onTestFinished, vi } from 'vitest';
import { assertDense } from '../../support/ledgers/density.ts';
import type { OrdersClient } from '../../support/clients/orders-client.ts';
import { connect, errorDetails, isServiceError } from '../../support/clients/orders-client.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';

const FATAL = 60;
const CALLERS = 8;

/**
 * A server on a ledger in a folder of its own, with a watch on its health: in this process, unless the test opens the same
 * files, which would give up the server's locks.
 */
async function startServer(Server: typeof LocalServer | typeof ServerProcess) {
  const folder = testFolder();
  const ledger = join(folder, 'data', 'orders.db');
  mkdirSync(dirname(ledger));
  const server = new Server(ledger);
  const client = connect(await server.serving());
  onTestFinished(() => client.close());
  const health: string[] = [];
  client.watchHealth((serving) => health.push(serving));
  const orderIds: bigint[] = [];
  const order = async () => {
    const { allocation } = await client.allocateOrder({ storeId: 7n, requestId: '' });
    orderIds.push(allocation!.orderId);
  };
  await order();
  return { folder, ledger, server, client, health, orderIds, order };
}

type Started = Awaited<ReturnType<typeof startServer>>;

/** Expects that the server reports what happened in one line, is no longer healthy, and exits with 1. */
async function expectEnd({ server, health }: Started, said: RegExp): Promise<void> {
  expect(await server.exit()).toBe(1);
  // Each call without an answer has a line of its own.
  const fatal = server.log.filter(({ level }) => level === FATAL);
  expect(fatal).toEqual([expect.objectContaining({ level: FATAL, msg: expect.stringMatching(said) as string })]);
  await vi.waitFor(() => expect(health.at(-1)).toBe('NOT_SERVING'));
  expect(server instanceof ServerProcess ? server.stderr : '').toBe('');
}

/** Endless orders from several callers; resolves to their errors when each has got one. */
function load({ order }: Started): Promise<unknown[]> {
  const caller = async (): Promise<unknown> => {
    for (;;) {
      try {
        await order();
      } catch (error) {
        return error;
      }
    }
  };
  return Promise.all(Array.from({ length: CALLERS }, caller));
}

it('P7 P9: the folder renamed under load: it holds every answered order, and no more are answered', async () => {
  const started = await startServer(LocalServer);
  const { folder, orderIds, ledger } = started;
  const ended = load(started);
  await vi.waitFor(() => expect(orderIds.length).toBeGreaterThan(100), { interval: 5 });
  renameSync(dirname(ledger), join(folder, 'renamed'));
  const errors = await ended;
  await expectEnd(started, /the folder .*data was moved or removed while it was open.*put the ledger back/);
  expect(errors.map((error) => (error as { code: number }).code)).toEqual(
    Array.from({ length: CALLERS }, () => status.UNAVAILABLE),
  );
  expect(errors.map((error) => isServiceError(error) && errorDetails(error)?.reason)).toContain('OUTCOME_UNKNOWN');
  expect(existsSync(dirname(ledger))).toBe(false);

  renameSync(join(folder, 'renamed'), dirname(ledger));
  const again = new LocalServer(ledger);
  await again.serving();
  expect(await again.stop()).toBe(0);
  const kept = new Set(assertDense(ledger).map((row) => row.order_id));
  expect(orderIds.filter((orderId) => !kept.has(orderId))).toEqual([]);
});

it('P7 P9: another database renamed into its place under load: no order is answered from an unlinked file', async () => {
  const started = await startServer(ServerProcess);
  const { ledger, orderIds } = started;
  copyFileSync(ledger, `${ledger}.old`);
  const ended = load(started);
  await vi.waitFor(() => expect(orderIds.length).toBeGreaterThan(100), { interval: 5 });
  renameSync(`${ledger}.old`, ledger);
  await ended;
  await expectEnd(started, /orders\.db was replaced by another file while/);
});

it('P8: the lock removed and a second server started, without load: the first server ends within seconds', async () => {
  const started = await startServer(ServerProcess);
  const { ledger, orderIds, client } = started;
  rmSync(`${ledger}.lock`);
  const second = new ServerProcess(ledger);
  await expectEnd(started, /orders\.db\.lock.* while it was open.*stop any second server that started/);
  const other: OrdersClient = connect(await second.serving());
  onTestFinished(() => other.close());
  const { allocation } = await other.allocateOrder({ storeId: 7n, requestId: '' });
  expect(orderIds).not.toContain(allocation!.orderId);
  await expect(client.allocateOrder({ storeId: 7n, requestId: '' })).rejects.toMatchObject({
    code: status.UNAVAILABLE,
  });
  expect(await second.stop()).toBe(0);
  expect(assertDense(ledger)).toHaveLength(2);
});

it('P4: the -wal removed without load: the server ends within seconds, and the next one has every order', async () => {
  const started = await startServer(LocalServer);
  const { ledger, order } = started;
  await order();
  rmSync(`${ledger}-wal`);
  // A reader opened meanwhile creates another one.
  await expectEnd(started, /orders\.db-wal.* while it was open/);
  const again = new LocalServer(ledger);
  await again.serving();
  expect(await again.stop()).toBe(0);
  expect(assertDense(ledger)).toHaveLength(2);
});

it('P9: an older copy put over the database, by name or in its inode, is noticed, and no number is allocated twice', async () => {
  const folder = testFolder();
  const ledger = join(folder, 'orders.db');
  const first = new LocalServer(ledger);
  const before = connect(await first.serving());
  await before.allocateOrder({ storeId: 7n, requestId: '' });
  before.close();
  expect(await first.stop()).toBe(0);
  copyFileSync(ledger, join(folder, 'copy.db'));
  const second = new LocalServer(ledger);
  const between = connect(await second.serving());
  for (let i = 0; i < 3; i++) await between.allocateOrder({ storeId: 7n, requestId: '' });
  between.close();
  expect(await second.stop()).toBe(0);

  const server = new ServerProcess(ledger);
  const client = connect(await server.serving());
  onTestFinished(() => client.close());
  copyFileSync(join(folder, 'copy.db'), ledger);
  const given: bigint[] = [];
  const order = async () => {
    const { allocation } = await client.allocateOrder({ storeId: 7n, requestId: '' });
    given.push(allocation!.orderId);
  };
  await expect(order()).rejects.toMatchObject({ code: status.UNAVAILABLE });
  expect(given).toEqual([]);
  expect(await server.exit()).toBe(1);
  expect(server.log.filter(({ level }) => level === FATAL)).toEqual([
    expect.objectContaining({ msg: expect.stringMatching(/was overwritten while it was open/) as string }),
  ]);
  // The file there now is refused.
  const next = new LocalServer(ledger);
  expect(await next.exit()).toBe(1);
});
