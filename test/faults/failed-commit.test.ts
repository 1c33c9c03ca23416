import { status } from '@grpc/grpc-js';
import { execFileSync } from 'node:child_process';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Allocation } from '../../src/gen/orders/v1/orders.ts';
import { assertDense } from '../support/density.ts';
import type { Engine, FaultyLedger } from '../support/engines.ts';
import { ENGINES } from '../support/engines.ts';
import { FsyncShim } from '../support/fsync-shim.ts';
import type { OrdersClient } from '../support/orders-client.ts';
import { connect, errorDetails, failureOf, isServiceError } from '../support/orders-client.ts';
import { requireTools } from '../support/required-tool.ts';
import { ServerProcess, testFolder } from '../support/server-process.ts';
import { until } from '../support/until.ts';

describe.each(ENGINES)('on $name', (engine) => {
  it('P5 P7: after a failed commit the outcome is unknown, the row is gone, and asking again numbers it once', async (test) => {
    const { faulty, server, client } = await serveFaulty(engine, test);
    const health: string[] = [];
    client.watchHealth((serving) => health.push(serving));
    await client.allocateOrder({ storeId: 1n, requestId: 'before' });

    await faulty.failNextCommit();
    const error = await failureOf(client.allocateOrder({ storeId: 1n, requestId: 'failed' }));
    expect(error.code).toBe(status.UNAVAILABLE);
    expect(errorDetails(error)).toMatchObject({
      reason: 'OUTCOME_UNKNOWN',
      metadata: { store_id: '1', request_id: 'failed' },
    });
    expect(errorDetails(error)!.retryDelayMs).toBeGreaterThan(0);
    expect(error.metadata.get('request-id')).toEqual(['failed']);

    // Another number comes only from a ledger that was opened again.
    const next = await client.allocateOrder({ storeId: 1n, requestId: 'next' });
    expect(next.allocation).toMatchObject({ orderId: 2n, orderNumber: 101n });
    expect(health).toEqual(['SERVING', 'NOT_SERVING', 'SERVING']);
    // The log comes by a pipe of its own, and may be later than the answer.
    const opened = () => server.log.filter(({ msg }) => msg === 'the ledger is open').length;
    await until('it was opened twice', () => opened() === 2);
    expect(await requestIds(engine, faulty)).toEqual(['before', 'next']);

    const retried = await client.allocateOrder({ storeId: 1n, requestId: 'failed' });
    expect(retried).toMatchObject({ allocation: { orderId: 3n, orderNumber: 102n }, replayed: false });
    expect(await client.allocateOrder({ storeId: 1n, requestId: 'failed' })).toEqual({ ...retried, replayed: true });
    expect(await requestIds(engine, faulty)).toEqual(['before', 'next', 'failed']);
  });

  it('P7: a failed commit fails its whole batch and nothing else, and names the request ids that the server made', async (test) => {
    const { faulty, client } = await serveFaulty(engine, test);
    await client.allocateOrder({ storeId: 1n, requestId: 'warm' });
    // While one commit hangs, everything else queues up for one batch.
    await faulty.holdCommits();
    const hanging = client.allocateOrder({ storeId: 1n, requestId: 'hanging' });
    await faulty.commitHangs();
    const batch = Array.from({ length: 10 }, (_, i) =>
      failureOf(client.allocateOrder({ storeId: BigInt(1 + i), requestId: '' })),
    );
    await client.checkHealth();
    await faulty.failNextCommit();
    await faulty.letGo();
    expect((await hanging).allocation).toMatchObject({ orderId: 2n, orderNumber: 101n });
    const errors = await Promise.all(batch);

    expect(errors.map((error) => error.code)).toEqual(errors.map(() => status.UNAVAILABLE));
    expect(new Set(errors.map((error) => errorDetails(error)?.reason))).toEqual(new Set(['OUTCOME_UNKNOWN']));
    // Who sent no request_id is not asked to come again by itself: it has to take this one.
    expect(new Set(errors.map((error) => errorDetails(error)?.retryDelayMs))).toEqual(new Set([undefined]));
    const made = errors.map((error) => String(error.metadata.get('request-id')[0]));
    expect(new Set(made).size).toBe(10);
    const retried = await Promise.all(
      made.map((requestId, i) => client.allocateOrder({ storeId: BigInt(1 + i), requestId })),
    );
    expect(retried.map(({ replayed }) => replayed)).toEqual(retried.map(() => false));
    expect((await requestIds(engine, faulty)).toSorted()).toEqual(['warm', 'hanging', ...made].toSorted());
  });

  it('P1 P2 P7: on a full disk calls are refused and burn nothing, and numbering goes on when there is room', async (test) => {
    const { faulty, client } = await serveFaulty(engine, test);
    await client.allocateOrder({ storeId: 1n, requestId: 'before' });

    await faulty.fillDisk();
    const ids = Array.from({ length: 6 }, (_, i) => `full-${i}`);
    const calls = ids.map((requestId, i) =>
      failureOf(client.allocateOrder({ storeId: BigInt(1 + (i % 2)), requestId })),
    );
    const refused = await Promise.all(calls);
    for (const error of refused) {
      // A full disk and nothing else: the ledger proves that nothing was done.
      expect(error.code).toBe(status.RESOURCE_EXHAUSTED);
      expect(errorDetails(error)).toMatchObject({ reason: 'LEDGER_FULL' });
      expect(errorDetails(error)!.retryDelayMs).toBeGreaterThan(0);
    }
    expect(await requestIds(engine, faulty)).toEqual(['before']);

    await faulty.makeRoom();
    const answers: Allocation[] = [];
    for (const [i, requestId] of ids.entries()) {
      const { allocation, replayed } = await client.allocateOrder({ storeId: BigInt(1 + (i % 2)), requestId });
      expect(replayed).toBe(false);
      answers.push(allocation!);
    }
    expect(answers.map(({ orderId }) => orderId)).toEqual([2n, 3n, 4n, 5n, 6n, 7n]);
    expect(answers.map(({ orderNumber }) => orderNumber)).toEqual([101n, 100n, 102n, 101n, 103n, 102n]);
    expect(await requestIds(engine, faulty)).toEqual(['before', ...ids]);
  });
});

// What becomes of a file's WAL, whose failed frames and pages in memory nobody may rely on. PostgreSQL restarts by
// itself after a failed fsync; what becomes of its commits then is tested in test/failover.

it('P7: after a failed fsync the WAL with the frames that failed is given up for a new one', async (test) => {
  requireTools(test, 'gcc');
  const { ledger, shim, client } = await serveOnBadDisk();
  await client.allocateOrder({ storeId: 1n, requestId: 'before' });
  const oneCommit = statSync(`${ledger}-wal`).size;
  shim.arm('fsync-fails');
  await failureOf(client.allocateOrder({ storeId: 1n, requestId: 'failed' }));
  await client.allocateOrder({ storeId: 1n, requestId: 'next' });
  expect(statSync(`${ledger}-wal`).size).toBeLessThanOrEqual(oneCommit);
  expect(requestIdsInFile(ledger)).toEqual(['before', 'next']);
});

it('P4 P5 P7: where the server dies of a failed fsync the row comes back, on disk before it is replayed', async (test) => {
  requireTools(test, 'gcc');
  const { ledger, shim, server, client } = await serveOnBadDisk();
  await client.allocateOrder({ storeId: 1n, requestId: 'before' });
  shim.arm('fsync-fails-then-killed');
  const error = await failureOf(client.allocateOrder({ storeId: 1n, requestId: 'failed' }));
  // A bare status: perhaps done.
  expect(error.code).toBe(status.UNAVAILABLE);
  expect(errorDetails(error)).toBeUndefined();
  expect(await server.exit()).toBe('SIGKILL');

  const again = await connectTo(new ServerProcess(ledger));
  // Out of the WAL, whose pages the failed fsync left in memory only, and into the database with an fsync.
  expect(statSync(`${ledger}-wal`).size).toBe(0);
  expect(requestIdsInFile(ledger)).toEqual(['before', 'failed']);
  const retried = await again.allocateOrder({ storeId: 1n, requestId: 'failed' });
  expect(retried).toMatchObject({ allocation: { orderId: 2n, orderNumber: 101n }, replayed: true });
  expect(await again.allocateOrder({ storeId: 1n, requestId: 'failed' })).toEqual(retried);
  expect((await again.allocateOrder({ storeId: 1n, requestId: 'next' })).allocation).toMatchObject({ orderId: 3n });
  expect(requestIdsInFile(ledger)).toEqual(['before', 'failed', 'next']);
});

it('P1 P2 P5 P7: a file system that runs full, the database and the mark with it, loses and doubles nothing', async (test) => {
  requireTools(test, 'root');
  const folder = testFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]);
  onTestFinished(() => void execFileSync('umount', ['--lazy', folder]));
  const ballast = join(folder, 'ballast');
  writeFileSync(ballast, Buffer.alloc(512 * 1024));
  const ledger = join(folder, 'orders.db');
  const server = new ServerProcess(ledger);
  const client = await connectTo(server);

  const answered: string[] = [];
  const failed: string[] = [];
  const reasons = new Set<string | undefined>();
  for (let i = 0; failed.length === 0; i++) {
    const ids = Array.from({ length: 8 }, (_, copy) => `${i}-${copy}`);
    const calls = ids.map((requestId) => client.allocateOrder({ storeId: 1n, requestId }, { deadlineMs: 5_000 }));
    for (const [n, result] of (await Promise.allSettled(calls)).entries()) {
      (result.status === 'fulfilled' ? answered : failed).push(ids[n]!);
      if (result.status === 'rejected') reasons.add(reasonOf(result.reason));
    }
  }
  // Which one depends on whether the ledger can be opened again on the full disk. A call that waits for
  // that in the queue meets its deadline.
  expect(['LEDGER_FULL', 'OUTCOME_UNKNOWN', 'DEADLINE_EXCEEDED']).toEqual(expect.arrayContaining([...reasons]));

  rmSync(ballast);
  for (const requestId of failed) {
    const { allocation } = await client.allocateOrder({ storeId: 1n, requestId });
    expect(await client.allocateOrder({ storeId: 1n, requestId })).toEqual({ allocation, replayed: true });
  }
  expect(requestIdsInFile(ledger).toSorted()).toEqual([...answered, ...failed].toSorted());
  expect(await server.stop()).toBe(0);
});

async function serveFaulty(engine: Engine, test: TestContext) {
  const faulty = await engine.newFaultyLedger(test);
  const server = new ServerProcess(faulty.ledger, faulty.options);
  return { faulty, server, client: await connectTo(server) };
}

async function serveOnBadDisk() {
  const ledger = join(testFolder(), 'orders.db');
  const shim = new FsyncShim();
  const server = new ServerProcess(ledger, { env: shim.env });
  return { ledger, shim, server, client: await connectTo(server) };
}

async function connectTo(server: ServerProcess): Promise<OrdersClient> {
  const client = connect(await server.serving());
  onTestFinished(() => client.close());
  return client;
}

function reasonOf(error: unknown): string | undefined {
  if (!isServiceError(error)) throw error;
  return error.code === status.DEADLINE_EXCEEDED ? 'DEADLINE_EXCEEDED' : errorDetails(error)?.reason;
}

/** Of the rows in the ledger, which are dense, in order_id order. */
async function requestIds(engine: Engine, { ledger }: FaultyLedger): Promise<string[]> {
  return (await engine.assertDense(ledger)).map((row) => row.request_id);
}

function requestIdsInFile(ledger: string): string[] {
  return assertDense(ledger).map((row) => row.request_id);
}
