import { join } from 'node:path';
import { Metadata } from '@grpc/grpc-js';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Allocator } from '../../src/core/allocator.ts';
import { startGrpcServer } from '../../src/server/grpc/grpc-server.ts';
import { orderNumberService } from '../../src/server/methods/order-number-service.ts';
import type { Authenticator } from '../../src/server/security/principal.ts';
import { OPEN } from '../../src/server/security/principal.ts';
import { GrpcClient } from '../support/clients/grpc-client.ts';
import { errorDetails, failureOf } from '../support/clients/orders-client.ts';
import { MemoryLedger } from '../support/engines/memory-ledger.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import { testFolder } from '../support/processes/server-process.ts';
import { serviceContext } from '../support/processes/service-context.ts';

const MAX_QUEUE = 16;
const FLOOD_AT_ONCE = 3 * MAX_QUEUE;
const CALLS_EACH = 10;

it('P1 P6: a flood over one connection leaves the others, over gRPC and HTTP, without QUEUE_FULL, and no gap', async () => {
  const server = new LocalServer(join(testFolder(), 'orders.db'), { args: ['--max-queue', String(MAX_QUEUE)] });
  const { grpc, http } = (await server.line('serving')) as unknown as { grpc: string; http: string };
  const done = new AbortController();
  onTestFinished(() => done.abort());
  const flooding = flood(new GrpcClient(grpc), done.signal);
  const others = Array.from({ length: 4 }, async (_, i) => {
    const client = new GrpcClient(grpc);
    for (let call = 0; call < CALLS_EACH; call++) await client.allocate(BigInt(100 + i));
    return CALLS_EACH;
  });
  const overHttp = Array.from({ length: 2 }, () => orderOverHttp(http));
  const answered = await Promise.all([...others, ...overHttp]);
  done.abort();
  const { numbered, refused } = await flooding;
  expect(refused).toBeGreaterThan(0);
  expect(numbered).toBeGreaterThan(0);
  const { allocation } = await new GrpcClient(grpc).allocate(7n);
  expect(allocation.orderId).toBe(BigInt(answered.reduce((sum, calls) => sum + calls, numbered + 1)));
});

it('P6: a token has one share, however many connections use it; the tokens of one connection have one each', async () => {
  const { address, ledger, allocator } = await serveTokens(4);
  const [first, second] = [new GrpcClient(address), new GrpcClient(address)];
  const held = ledger.holdNext();
  const answers = [allocate(first, 'flood', 'in-flight')];
  await held.begun;
  for (const requestId of ['a', 'b', 'c', 'd']) answers.push(allocate(first, 'flood', requestId));
  await vi.waitUntil(() => allocator.queueLength === 4);
  expect(await reasonOf(allocate(second, 'flood', 'e'))).toBe('QUEUE_FULL');
  answers.push(allocate(first, 'other', 'x'));
  expect(await reasonOf(answers[4]!)).toBe('QUEUE_FULL');
  held.release();
  await Promise.all(answers.toSpliced(4, 1));
  expect(ledger.batches.map((batch) => batch.map(({ requestId, caller }) => `${caller} ${requestId}`))).toEqual([
    ['flood in-flight'],
    ['flood a', 'other x', 'flood b', 'flood c'],
  ]);
});

/** Keeps far more calls in flight than the queue takes, until told to stop. */
async function flood(client: GrpcClient, enough: AbortSignal): Promise<{ numbered: number; refused: number }> {
  const result = { numbered: 0, refused: 0 };
  const keepOn = async () => {
    while (!enough.aborted) {
      const reason = await reasonOf(client.allocate(7n));
      if (reason === undefined) result.numbered++;
      else if (reason === 'QUEUE_FULL') result.refused++;
      else throw new Error(`the flood got ${reason}`);
    }
  };
  await Promise.all(Array.from({ length: FLOOD_AT_ONCE }, keepOn));
  return result;
}

/** Resolves to the number of answers, all of them 200. */
async function orderOverHttp(address: string): Promise<number> {
  for (let call = 0; call < CALLS_EACH; call++) {
    const headers = { 'content-type': 'application/json' };
    const url = `http://${address}/api/generateOrderNumber`;
    const answer = await fetch(url, { method: 'POST', headers, body: '{"store_id": 200}' });
    if (answer.status !== 200) throw new Error(`HTTP answered ${answer.status}: ${await answer.text()}`);
    await answer.text();
  }
  return CALLS_EACH;
}

/** A server that takes the word of a caller for its name. */
async function serveTokens(maxQueue: number) {
  const ledger = new MemoryLedger();
  const allocator = new Allocator({ ledger, maxBatch: 1000, maxQueue, maxQueueShare: 0.5, requireRequestId: false });
  const authenticator: Authenticator = {
    authenticate: (credentials) => ({ ...OPEN.authenticate(credentials), name: credentials.authorization! }),
  };
  const context = serviceContext(allocator, ledger, { authenticator });
  const server = await startGrpcServer({ host: '127.0.0.1', port: 0 }, orderNumberService(context), context);
  onTestFinished(() => server.close(0));
  return { address: `127.0.0.1:${server.address.port}`, ledger, allocator };
}

function allocate({ stub }: GrpcClient, authorization: string, requestId: string): Promise<unknown> {
  const metadata = new Metadata();
  metadata.set('authorization', authorization);
  const answer = new Promise((resolve, reject) => {
    stub.allocateOrder({ storeId: 7n, requestId }, metadata, (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
  // Awaited later; until then no rejection counts as unhandled.
  answer.catch(() => {});
  return answer;
}

/** The reason of a call's refusal; undefined if it was answered. */
async function reasonOf(call: Promise<unknown>): Promise<string | undefined> {
  const outcome = await call.then(
    () => undefined,
    () => failureOf(call),
  );
  return outcome && (errorDetails(outcome)?.reason ?? outcome.message);
}
