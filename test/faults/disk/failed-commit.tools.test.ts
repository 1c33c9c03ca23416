import { status } from '@grpc/grpc-js';
import { execFileSync } from 'node:child_process';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { assertDense } from '../../support/ledgers/density.ts';
import { FsyncShim } from '../../support/disk/fsync-shim.ts';
import type { OrdersClient } from '../../support/clients/orders-client.ts';
import { connect, errorDetails, failureOf, isServiceError } from '../../support/clients/orders-client.ts';
import { requireTools } from '../../support/required-tool.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';
import { SQLITE } from '../../support/engines/sqlite-engine.ts';
import { failedCommitSuite } from './failed-commit-suite.ts';

failedCommitSuite(SQLITE);

// The fate of a file's WAL, whose failed frames and pages in memory must not be trusted. PostgreSQL restarts by
// itself after a failed fsync; the fate of its commits then is tested in test/faults/failover.

it('P7: after a failed fsync the WAL with the unsynced frames is replaced by a new one', async (test) => {
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

it('P4 P5 P7: after a server died of a failed fsync the row is recovered, and synced before it is replayed', async (test) => {
  requireTools(test, 'gcc');
  const { ledger, shim, server, client } = await serveOnBadDisk();
  await client.allocateOrder({ storeId: 1n, requestId: 'before' });
  shim.arm('fsync-fails-then-killed');
  const error = await failureOf(client.allocateOrder({ storeId: 1n, requestId: 'failed' }));
  // A bare status, so the outcome is unknown.
  expect(error.code).toBe(status.UNAVAILABLE);
  expect(errorDetails(error)).toBeUndefined();
  expect(await server.exit()).toBe('SIGKILL');

  const again = await connectTo(new ServerProcess(ledger));
  // Moved from the WAL, whose pages the failed fsync left in memory only, into the database with an fsync.
  expect(statSync(`${ledger}-wal`).size).toBe(0);
  expect(requestIdsInFile(ledger)).toEqual(['before', 'failed']);
  const retried = await again.allocateOrder({ storeId: 1n, requestId: 'failed' });
  expect(retried).toMatchObject({ allocation: { orderId: 2n, orderNumber: 101n }, replayed: true });
  expect(await again.allocateOrder({ storeId: 1n, requestId: 'failed' })).toEqual(retried);
  expect((await again.allocateOrder({ storeId: 1n, requestId: 'next' })).allocation).toMatchObject({ orderId: 3n });
  expect(requestIdsInFile(ledger)).toEqual(['before', 'failed', 'next']);
});

it('P1 P2 P5 P7: a file system that runs full under database and mark neither loses nor duplicates an order', async (test) => {
  requireTools(test, 'root');
  const folder = testFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]);
  onTestFinished(() => void execFileSync('umount', ['--lazy', folder]));
  const ballast = join(folder, 'ballast');
  writeFileSync(ballast, Buffer.alloc(2 * 1024 * 1024));
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
  // Which one depends on whether the ledger can be reopened on the full disk. A call that waits for
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

function requestIdsInFile(ledger: string): string[] {
  return assertDense(ledger).map((row) => row.request_id);
}
