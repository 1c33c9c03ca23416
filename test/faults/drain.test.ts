import { status } from '@grpc/grpc-js';
import Database from 'better-sqlite3';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { assertDense } from '../support/density.ts';
import { FsyncShim } from '../support/fsync-shim.ts';
import { freeAddress } from '../support/free-address.ts';
import type { OrdersClient } from '../support/orders-client.ts';
import { connect, errorDetails, failureOf } from '../support/orders-client.ts';
import { requireTools } from '../support/required-tool.ts';
import { ServerProcess, testFolder } from '../support/server-process.ts';

const QUEUED = 50;
/** One second is what clients get to take their last answers; the rest is for a busy machine. */
const CLOSE_MS = 2_500;

it('P6: SIGTERM answers all that was accepted, refuses what comes later, and waits for no open stream', async (test) => {
  requireTools(test, 'gcc');
  const { ledger, shim, server, client, address } = await serveOnHangingDisk();
  const idle = connectTo(address);
  const health: string[] = [];
  idle.watchHealth((serving) => health.push(serving));
  await vi.waitFor(() => expect(health).toEqual(['SERVING']));
  const accepted = await acceptCalls(client, shim);

  server.child.kill('SIGTERM');
  const draining = await server.line('draining');
  expect(draining['waiting']).toBe(QUEUED);
  const error = await failureOf(client.allocateOrder({ storeId: 1n, requestId: 'late' }));
  expect(error.code).toBe(status.UNAVAILABLE);
  expect(errorDetails(error)).toMatchObject({ reason: 'DRAINING' });
  expect(errorDetails(error)!.retryDelayMs).toBeGreaterThan(0);
  await vi.waitFor(() => expect(health).toEqual(['SERVING', 'NOT_SERVING']));

  shim.disarm();
  const answers = await Promise.all(accepted);
  const answeredAt = performance.now();
  expect(await server.exit()).toBe(0);
  expect(performance.now() - answeredAt).toBeLessThan(CLOSE_MS);
  expect(answers.map(({ allocation }) => allocation?.orderId)).toEqual(answers.map((_, i) => BigInt(i + 2)));
  // The checkpoint put everything into the database: the file alone is the whole ledger.
  expect(existsSync(`${ledger}-wal`)).toBe(false);
  expect(assertDense(ledger)).toHaveLength(1 + QUEUED + 1);
});

it('P7: a drain that takes too long ends the process, and tells each caller whether to wonder', async (test) => {
  requireTools(test, 'gcc');
  const { ledger, shim, server, client } = await serveOnHangingDisk('--drain-timeout-ms', '1000');
  const accepted = await acceptCalls(client, shim);
  const errors = accepted.map((call) => failureOf(call));
  server.child.kill('SIGTERM');

  const [inFlight, ...waiting] = await Promise.all(errors);
  expect(inFlight!.code).toBe(status.UNAVAILABLE);
  expect(errorDetails(inFlight!)?.reason).toBe('OUTCOME_UNKNOWN');
  expect(inFlight!.metadata.get('request-id')).toEqual(['request-0']);
  expect(new Set(waiting.map((error) => errorDetails(error)?.reason))).toEqual(new Set(['DRAINING']));
  expect(await server.exit()).not.toBe(0);
  expect(server.said()).toContain('the drain timed out');

  const next = connectTo(await new ServerProcess(ledger).serving());
  const retried = await next.allocateOrder({ storeId: 1n, requestId: 'request-0' });
  expect(retried).toMatchObject({ allocation: { orderId: 2n, orderNumber: 101n }, replayed: true });
  expect(assertDense(ledger)).toHaveLength(2);
});

it('a second signal ends it at once', async (test) => {
  requireTools(test, 'gcc');
  const { shim, server, client } = await serveOnHangingDisk();
  const accepted = await acceptCalls(client, shim);
  const errors = accepted.map((call) => failureOf(call));
  server.child.kill('SIGTERM');
  await server.line('draining');
  const asked = performance.now();
  server.child.kill('SIGTERM');
  expect(await server.exit()).not.toBe(0);
  expect(performance.now() - asked).toBeLessThan(1_000);
  expect(server.said()).toContain('forced to stop');
  await Promise.all(errors);
});

it('P6: SIGTERM while the ledger cannot be opened yet ends it, and what waits is told to ask again', async () => {
  const ledger = join(testFolder(), 'orders.db');
  const first = new ServerProcess(ledger);
  const client = connectTo(await first.serving());
  await client.allocateOrder({ storeId: 1n, requestId: 'one' });
  const reader = new Database(ledger, { readonly: true });
  onTestFinished(() => void reader.close());
  reader.exec('BEGIN');
  reader.prepare('SELECT * FROM ledger').get();
  await client.allocateOrder({ storeId: 1n, requestId: 'two' });
  await first.kill();

  const idle = new ServerProcess(ledger);
  await idle.line(/cannot be opened yet/);
  expect(await idle.stop()).toBe(0);

  const address = await freeAddress();
  const asked = new ServerProcess(ledger, { args: ['--grpc-listen', address, '--drain-timeout-ms', '1000'] });
  await asked.line(/cannot be opened yet/);
  const waiting = connectTo(address);
  await vi.waitFor(() => waiting.checkHealth(), { timeout: 20_000 });
  const error = failureOf(waiting.allocateOrder({ storeId: 1n, requestId: 'three' }));
  await waiting.checkHealth();
  asked.child.kill('SIGTERM');
  expect((await error).code).toBe(status.UNAVAILABLE);
  expect(errorDetails(await error)).toMatchObject({ reason: 'DRAINING' });
  await asked.exit();
  expect(assertDense(ledger).map((row) => row.request_id)).toEqual(['one', 'two']);
});

async function serveOnHangingDisk(...args: string[]) {
  const ledger = join(testFolder(), 'orders.db');
  const shim = new FsyncShim();
  const server = new ServerProcess(ledger, { args, env: shim.env });
  const address = await server.serving();
  const client = connectTo(address);
  // The first commit after an opening also syncs the header of the WAL; the next one hangs with all its frames written.
  await client.allocateOrder({ storeId: 1n, requestId: 'first' });
  return { ledger, shim, server, address, client };
}

function connectTo(address: string): OrdersClient {
  const client = connect(address);
  onTestFinished(() => client.close());
  return client;
}

/** One call whose commit hangs until the shim is disarmed, and others that wait behind it. */
async function acceptCalls(client: OrdersClient, shim: FsyncShim) {
  const call = (_: unknown, i: number) => client.allocateOrder({ storeId: 1n, requestId: `request-${i}` });
  shim.arm('fsync-hangs');
  const hanging = call(undefined, 0);
  await shim.hit('fsync-hangs');
  const others = Array.from({ length: QUEUED }, (_, i) => call(_, i + 1));
  // Answered on the same connection after the calls above have arrived.
  await client.checkHealth();
  return [hanging, ...others];
}
