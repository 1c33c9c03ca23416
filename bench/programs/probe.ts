import { credentials, Metadata, status } from '@grpc/grpc-js';
import { setTimeout as delay } from 'node:timers/promises';
import { AllocateOrderRequest, OrderNumberServiceClient } from '../../src/wire/gen/orders/v1/orders.ts';
import type { Probe, ProbeQuestion } from '../generators/probes.ts';
import { answerQuestions } from '../processes/program.ts';

// A caller with single calls and no retries, to see what a caller meets while others overload the server.

const DEADLINE_MS = 10_000;
const [address = ''] = process.argv.slice(2);
const client = new OrderNumberServiceClient(address, credentials.createInsecure());
const request = AllocateOrderRequest.fromPartial({ storeId: 1_000_000n });
const probes: Probe[] = [];
let running: Promise<void> | undefined;
const stopped = new AbortController();

answerQuestions(async ({ everyMs }: ProbeQuestion): Promise<readonly Probe[]> => {
  if (everyMs !== undefined) {
    running = send(everyMs);
    return [];
  }
  stopped.abort();
  await running;
  return probes;
});

/** Sends calls at fixed times, whatever became of earlier ones. */
async function send(everyMs: number): Promise<void> {
  const calls: Promise<void>[] = [];
  const began = performance.now();
  for (let i = 0; !stopped.signal.aborted; i++) {
    const dueMs = began + i * everyMs;
    await delay(Math.max(0, dueMs - performance.now()));
    calls.push(call(dueMs));
  }
  await Promise.all(calls);
}

function call(dueMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  client.allocateOrder(request, new Metadata(), { deadline: Date.now() + DEADLINE_MS }, (error) => {
    const code = error ? (status[error.code] ?? 'UNKNOWN') : 'OK';
    probes.push({ atMs: performance.timeOrigin + dueMs, code, tookMs: performance.now() - dueMs });
    resolve();
  });
  return promise;
}
