import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { status } from '@grpc/grpc-js';
import { describe, expect, it, vi } from 'vitest';
import { INT64_MAX } from '../src/allocation.ts';
import type { Reason } from '../src/errors.ts';
import type { Engine } from './support/engines.ts';
import { ENGINES } from './support/engines.ts';
import { GrpcClient } from './support/grpc-client.ts';
import { errorDetails, failureOf } from './support/orders-client.ts';
import { toolPath } from './support/required-tool.ts';
import type { ServeOptions } from './support/server-process.ts';
import { ServerProcess } from './support/server-process.ts';

// The contract's tables, row by row, through a real server on each engine. What each method does in detail is in
// test/grpc.

const run = promisify(execFile);

/** Each RPC, called by grpcurl one after the other on a ledger where store 7 has the order_ids 1 to 3. */
const METHODS: readonly (readonly [method: string, request: object, answer: object])[] = [
  ['GetAllocation', { order_number: { store_id: 7, order_number: 102 } }, { allocation: { orderId: '2', count: 2 } }],
  ['ListAllocations', { page_size: 1 }, { allocations: [{ orderId: '1' }], nextPageToken: expect.any(String) }],
  ['WatchAllocations', { after_order_id: 3 }, { cursor: '3' }],
  ['GetStore', { store_id: 7 }, { store: { storeId: '7', firstNumber: '100', nextNumber: '103' } }],
  ['ListStores', {}, { stores: [{ storeId: '7' }] }],
  ['VerifyLedger', {}, { verdict: { asOfOrderId: '3', rows: '2', sequences: '2', ok: true } }],
  ['AllocateOrder', { store_id: 8, request_id: 'a' }, { allocation: { orderId: '4', orderNumber: '100', count: 1 } }],
  ['AllocateOrders', { store_id: 7, count: 2 }, { allocation: { orderId: '5', orderNumber: '103', count: 2 } }],
  ['CreateStore', { store: { store_id: 9, first_number: 5 } }, { store: { storeId: '9', nextNumber: '5' } }],
  [
    'UpdateStore',
    { store: { store_id: 7, prefix: 'W' }, update_mask: { paths: ['prefix'] } },
    { store: { prefix: 'W' } },
  ],
];

/** Each row of the status table that a request alone meets: code, reason, and such a request. None is in another's way. */
const REQUESTS: readonly (readonly [
  code: keyof typeof status,
  reason: Reason,
  provoke: (client: GrpcClient) => Promise<unknown>,
])[] = [
  ['INVALID_ARGUMENT', 'STORE_ID_INVALID', (client) => client.allocate(0n)],
  ['INVALID_ARGUMENT', 'COUNT_INVALID', (client) => client.allocate(7n, 1001)],
  ['INVALID_ARGUMENT', 'REQUEST_ID_INVALID', (client) => client.allocate(7n, 1, 'a b')],
  ['INVALID_ARGUMENT', 'PAGE_TOKEN_INVALID', (client) => client.listAllocations({ pageToken: 'x' })],
  ['INVALID_ARGUMENT', 'PAGE_SIZE_INVALID', (client) => client.listAllocations({ pageSize: 1001 })],
  [
    'INVALID_ARGUMENT',
    'ORDER_ID_INVALID',
    (client) => client.call(client.stub.getAllocation, { key: { $case: 'orderId', value: 0n } }),
  ],
  ['INVALID_ARGUMENT', 'STORE_FIELD_INVALID', (client) => client.createStore({ storeId: 7n, minDigits: 20 })],
  ['INVALID_ARGUMENT', 'UPDATE_MASK_INVALID', (client) => client.updateStore({ storeId: 7n }, 'nothing')],
  ['INVALID_ARGUMENT', 'KEY_MISSING', (client) => client.call(client.stub.getAllocation, { key: undefined })],
  ['NOT_FOUND', 'STORE_NOT_FOUND', (client) => client.call(client.stub.getStore, { storeId: 7n })],
  [
    'NOT_FOUND',
    'ALLOCATION_NOT_FOUND',
    (client) => client.call(client.stub.getAllocation, { key: { $case: 'orderId', value: 1000n } }),
  ],
  [
    'FAILED_PRECONDITION',
    'REQUEST_ID_MISMATCH',
    async (client) => {
      await client.allocate(8n, 2, 'a');
      await client.allocate(8n, 3, 'a');
    },
  ],
  [
    'FAILED_PRECONDITION',
    'FIRST_NUMBER_FIXED',
    async (client) => {
      await client.allocate(9n);
      await client.updateStore({ storeId: 9n, firstNumber: 1n }, 'first_number');
    },
  ],
  [
    'ALREADY_EXISTS',
    'STORE_EXISTS',
    async (client) => {
      await client.createStore({ storeId: 10n });
      await client.createStore({ storeId: 10n });
    },
  ],
  [
    'OUT_OF_RANGE',
    'SEQUENCE_EXHAUSTED',
    async (client) => {
      await client.createStore({ storeId: 11n, firstNumber: INT64_MAX });
      await client.allocate(11n);
      await client.allocate(11n);
    },
  ],
];

describe.each(ENGINES)('on $name', (engine) => {
  it('each RPC, by grpcurl, and no other is served', async () => {
    const { client, address } = await serve(engine);
    await client.allocate(7n);
    await client.allocate(7n, 2);
    for (const [method, request, answer] of METHODS) {
      expect([method, await grpcurl(address, method, request)]).toMatchObject([method, answer]);
    }
    const methods = await run(toolPath('grpcurl'), ['-plaintext', address, 'list', 'orders.v1.OrderNumberService']);
    const names = methods.stdout.trim().split('\n');
    expect(names.map((name) => name.split('.').at(-1))).toEqual(METHODS.map(([method]) => method).toSorted());
  });

  it('each status that a request alone meets', async () => {
    const { client } = await serve(engine);
    for (const [code, reason, provoke] of REQUESTS) {
      const error = await failureOf(provoke(client));
      expect([status[error.code], errorDetails(error)]).toMatchObject([code, { reason, domain: 'orders.v1' }]);
    }
  });

  it('DATA_LOSS LEDGER_DAMAGED', async () => {
    const { client, ledger } = await serve(engine);
    for (let i = 0; i < 300; i++) await client.allocate(7n, 1, `${i}`.padStart(128, 'x'));
    await engine.damage(ledger);
    expect(await statusOf(client.listAllocations({ pageSize: 1000 }))).toEqual(['DATA_LOSS', 'LEDGER_DAMAGED']);
  });

  it('INTERNAL INTERNAL, where a read meets what nobody foresaw', async () => {
    const { client, ledger } = await serve(engine);
    await engine.execute(ledger, 'ALTER TABLE stores RENAME TO elsewhere');
    const error = await failureOf(client.call(client.stub.getStore, { storeId: 7n }));
    expect([error.code, errorDetails(error)?.reason]).toEqual([status.INTERNAL, 'INTERNAL']);
    expect(error.details).not.toContain('stores');
  });

  it('INVALID_ARGUMENT REQUEST_ID_REQUIRED', async () => {
    const { client } = await serve(engine, { args: ['--require-request-id'] });
    expect(await statusOf(client.allocate(7n))).toEqual(['INVALID_ARGUMENT', 'REQUEST_ID_REQUIRED']);
  });

  it('NOT_FOUND STORE_NOT_FOUND, where stores are not made by themselves', async () => {
    const { client } = await serve(engine, { args: ['--auto-create-stores=false'] });
    expect(await statusOf(client.allocate(7n))).toEqual(['NOT_FOUND', 'STORE_NOT_FOUND']);
  });

  it('RESOURCE_EXHAUSTED QUEUE_FULL, UNAVAILABLE DRAINING', async (test) => {
    const faulty = await engine.newFaultyLedger(test);
    const { client, server } = await serveOn(faulty.ledger, { ...faulty.options, args: ['--max-queue', '1'] });
    await client.allocate(7n);
    await faulty.holdCommits();
    const inFlight = client.allocate(7n);
    await faulty.commitHangs();
    // One of the two waits for its batch, the other finds the queue full.
    const calls = [client.allocate(7n), client.allocate(7n)];
    expect(await statusOf(Promise.race(calls))).toEqual(['RESOURCE_EXHAUSTED', 'QUEUE_FULL']);
    server.child.kill('SIGTERM');
    await server.line('draining');
    expect(await statusOf(client.allocate(7n, 1, 'late'))).toEqual(['UNAVAILABLE', 'DRAINING']);
    await faulty.letGo();
    await inFlight;
    const ends = await Promise.allSettled(calls);
    expect(ends.map(({ status: end }) => end).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  it('RESOURCE_EXHAUSTED LEDGER_FULL', async (test) => {
    const faulty = await engine.newFaultyLedger(test);
    const { client } = await serveOn(faulty.ledger, faulty.options);
    await client.allocate(7n);
    await faulty.fillDisk();
    expect(await statusOf(client.allocate(7n, 1, 'a'))).toEqual(['RESOURCE_EXHAUSTED', 'LEDGER_FULL']);
    await faulty.makeRoom();
    expect(await client.allocate(7n, 1, 'a')).toMatchObject({ allocation: { orderId: 2n }, replayed: false });
  });

  it('UNAVAILABLE OUTCOME_UNKNOWN', async (test) => {
    const faulty = await engine.newFaultyLedger(test);
    const { client } = await serveOn(faulty.ledger, faulty.options);
    await client.allocate(7n);
    await faulty.failNextCommit();
    expect(await statusOf(client.allocate(7n, 1, 'a'))).toEqual(['UNAVAILABLE', 'OUTCOME_UNKNOWN']);
    expect((await client.allocate(7n, 1, 'a')).allocation).toMatchObject({ orderId: 2n, orderNumber: 101n });
  });

  it('UNAVAILABLE LEDGER_REOPENING for a read, while what writes waits', async (test) => {
    const faulty = await engine.newFaultyLedger(test);
    const { client } = await serveOn(faulty.ledger, faulty.options);
    await client.allocate(7n);
    await faulty.takeAway();
    // What becomes of it is the engine's affair: another server may do it.
    const asked = Promise.allSettled([client.allocate(7n, 1, 'a')]);
    const reopening = ['UNAVAILABLE', 'LEDGER_REOPENING'];
    await vi.waitFor(async () => expect(await statusOf(client.listAllocations())).toEqual(reopening), 20_000);
    expect(await statusOf(client.verify())).toEqual(reopening);
    const waiting = client.createStore({ storeId: 8n });
    await faulty.giveBack();
    expect((await waiting).storeId).toBe(8n);
    await asked;
    await client.allocate(7n, 1, 'a');
    expect((await client.listAllocations()).allocations).toHaveLength(2);
  });

  it('P7: a store whose write failed is an unknown outcome, and is written when asked again', async (test) => {
    const faulty = await engine.newFaultyLedger(test);
    const { client } = await serveOn(faulty.ledger, faulty.options);
    await client.createStore({ storeId: 7n });
    await faulty.failNextCommit();
    expect(await statusOf(client.updateStore({ storeId: 7n, prefix: 'A' }, 'prefix'))).toEqual([
      'UNAVAILABLE',
      'OUTCOME_UNKNOWN',
    ]);
    expect(await client.updateStore({ storeId: 7n, prefix: 'A' }, 'prefix')).toMatchObject({ prefix: 'A' });
  });
});

async function statusOf(call: Promise<unknown>): Promise<[code: string | undefined, reason: string | undefined]> {
  const error = await failureOf(call);
  return [status[error.code], errorDetails(error)?.reason];
}

async function serve(engine: Engine, options: ServeOptions = {}) {
  return serveOn(await engine.newLedger(), options);
}

async function serveOn(ledger: string, options: ServeOptions) {
  const server = new ServerProcess(ledger, options);
  const address = await server.serving();
  return { ledger, server, address, client: new GrpcClient(address) };
}

/** The last message of the answer; a stream that does not end is cut after its first ones. */
async function grpcurl(address: string, method: string, request: object): Promise<unknown> {
  const args = ['-plaintext', '-d', JSON.stringify(request), address, `orders.v1.OrderNumberService/${method}`];
  let output = '';
  const call = run(toolPath('grpcurl'), args);
  call.child.stdout!.on('data', (chunk: string) => (output += chunk));
  if (method === 'WatchAllocations') {
    await vi.waitUntil(() => output.includes('cursor'), { timeout: 20_000, interval: 10 });
    call.child.kill('SIGKILL');
    await call.catch(() => {});
  } else await call;
  return JSON.parse(`{${output.trim().split('\n{').at(-1)!.replace(/^\{/, '')}`);
}
