import type { ServiceError } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Allocator } from '../../../src/core/allocator.ts';
import { startGrpcServer } from '../../../src/server/grpc/grpc-server.ts';
import { orderNumberService } from '../../../src/server/methods/order-number-service.ts';
import { GrpcClient } from '../../support/clients/grpc-client.ts';
import { MemoryLedger } from '../../support/engines/memory-ledger.ts';
import { errorDetails, failureOf } from '../../support/clients/orders-client.ts';
import { serviceContext } from '../../support/processes/service-context.ts';

const MAX_WAITING = 256;
const MAX_LISTS_WAITING = 128;
const FLOOD = 300;

it('P6 P10: in a flood of new stores 256 wait, those whose callers left are never created, and orders do not wait', async () => {
  const { client, ledger, release } = await serve('createStore');
  const flood = new AbortController();
  const calls = Array.from({ length: FLOOD }, (_, i) => create(client, BigInt(i + 100), flood.signal));
  const refused = FLOOD - MAX_WAITING - 1;
  await vi.waitUntil(() => calls.filter(({ error }) => error !== undefined).length === refused);
  for (const { error } of calls.filter((call) => call.error !== undefined)) {
    expect(error!.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(errorDetails(error!)).toMatchObject({ reason: 'QUEUE_FULL', retryDelayMs: 100 });
  }
  expect((await client.allocate(7n)).allocation.orderId).toBe(1n);
  flood.abort();
  await vi.waitUntil(() => calls.every(({ error }) => error !== undefined));
  const later = client.createStore({ storeId: 9n });
  // On the same connection: the server knows by then who left.
  await client.allocate(7n);
  release();
  await later;
  const made = await ledger.reads.listStores({ afterStoreId: 0n, upToStoreId: 1000n, limit: 1000 });
  // The first one was in flight when its caller left.
  expect(made.map(({ storeId }) => storeId)).toEqual([7n, 9n, 100n]);
});

it('P10: in a flood of lists 128 wait, and lookups, stores, health and orders do not wait for them', async () => {
  const { client, release } = await serve('listAllocations');
  await client.allocate(7n);
  const lists = Array.from({ length: FLOOD }, () => client.listAllocations().catch((error: unknown) => error));
  const refused = FLOOD - MAX_LISTS_WAITING - 1;
  const results: unknown[] = [];
  for (const list of lists) void list.then((result) => results.push(result));
  await vi.waitUntil(() => results.length === refused);
  for (const error of results) {
    expect(errorDetails(await failureOf(Promise.reject(error as Error)))).toMatchObject({
      reason: 'QUEUE_FULL',
      retryDelayMs: 100,
    });
  }
  const key = { $case: 'orderId', value: 1n } as const;
  expect((await client.call(client.stub.getAllocation, { key })).allocation?.storeId).toBe(7n);
  expect((await client.call(client.stub.getStore, { storeId: 7n })).store?.storeId).toBe(7n);
  expect((await client.createStore({ storeId: 8n })).storeId).toBe(8n);
  expect((await client.allocate(7n)).allocation.orderId).toBe(2n);
  release();
  await Promise.all(lists);
  expect(results.filter((result) => !(result instanceof Error))).toHaveLength(MAX_LISTS_WAITING + 1);
});

it('P10: pages of watches wait for each other, but lists and lookups do not wait for them', async () => {
  const { client, release, underWay } = await serve('listAllocations');
  await client.allocate(7n);
  const watches = Array.from({ length: 20 }, () => client.watch({ afterOrderId: 0n }));
  const seen = watches.map(() => 0);
  watches.forEach((watch, i) => watch.on('data', ({ allocations }) => (seen[i]! += allocations.length)));
  await vi.waitUntil(() => underWay() === 1);
  const list = client.listAllocations();
  await vi.waitUntil(() => underWay() === 2);
  expect((await client.call(client.stub.getStore, { storeId: 7n })).store?.storeId).toBe(7n);
  release();
  expect((await list).allocations).toHaveLength(1);
  await vi.waitUntil(() => seen.every((allocations) => allocations === 1));
});

/** A server whose ledger holds every call of this method until it is released. */
async function serve(held: 'createStore' | 'listAllocations') {
  const ledger = new MemoryLedger();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  let underWay = 0;
  const hold = async <Result>(work: () => Promise<Result>) => {
    underWay++;
    await released;
    return work();
  };
  if (held === 'createStore') {
    const createStore = ledger.createStore.bind(ledger);
    vi.spyOn(ledger, held).mockImplementation((store) => hold(() => createStore(store)));
  } else {
    const { reads } = ledger;
    const listAllocations = reads.listAllocations.bind(reads);
    vi.spyOn(reads, held).mockImplementation((range) => hold(() => listAllocations(range)));
  }
  const allocator = new Allocator({
    ledger,
    maxBatch: 1000,
    maxQueue: 10_000,
    maxQueueShare: 0.5,
    requireRequestId: false,
  });
  const context = serviceContext(allocator, ledger);
  const server = await startGrpcServer({ host: '127.0.0.1', port: 0 }, orderNumberService(context), context);
  onTestFinished(() => server.close(0));
  const client = new GrpcClient(`127.0.0.1:${server.address.port}`);
  return { ledger, client, release, underWay: () => underWay };
}

/** Creates a store; resolves to its refusal as soon as it comes. */
function create(client: GrpcClient, storeId: bigint, signal: AbortSignal): { error?: ServiceError } {
  const call: { error?: ServiceError } = {};
  const store = { storeId, prefix: '', suffix: '', minDigits: 0, firstNumber: undefined, nextNumber: 0n };
  const sent = client.stub.createStore({ store: { ...store, createTime: undefined } }, (error) => {
    if (error) call.error = error;
  });
  signal.addEventListener('abort', () => sent.cancel());
  return call;
}
