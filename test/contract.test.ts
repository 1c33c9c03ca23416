import { execFile } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { status } from '@grpc/grpc-js';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { INT64_MAX } from '../src/allocation.ts';
import type { Reason } from '../src/errors.ts';
import { FsyncShim } from './support/fsync-shim.ts';
import { GrpcClient } from './support/grpc-client.ts';
import { errorDetails, failureOf } from './support/orders-client.ts';
import { requireTools, toolPath } from './support/required-tool.ts';
import type { ServeOptions } from './support/server-process.ts';
import { ServerProcess, testFolder } from './support/server-process.ts';

// The contract's tables, row by row, through a real server. What each method does in detail is in test/grpc.

const run = promisify(execFile);

/** Each RPC, called once by grpcurl on a ledger where store 7 has the order_ids 1 to 3: request and answer. */
const METHODS: readonly (readonly [method: string, request: object, answer: object])[] = [
  ['AllocateOrder', { store_id: 8, request_id: 'a' }, { allocation: { orderId: '4', orderNumber: '100', count: 1 } }],
  ['AllocateOrders', { store_id: 7, count: 2 }, { allocation: { orderId: '4', orderNumber: '103', count: 2 } }],
  ['GetAllocation', { order_number: { store_id: 7, order_number: 102 } }, { allocation: { orderId: '2', count: 2 } }],
  ['ListAllocations', { page_size: 1 }, { allocations: [{ orderId: '1' }], nextPageToken: expect.any(String) }],
  ['WatchAllocations', { after_order_id: 3 }, { cursor: '3' }],
  ['CreateStore', { store: { store_id: 9, first_number: 5 } }, { store: { storeId: '9', nextNumber: '5' } }],
  ['GetStore', { store_id: 7 }, { store: { storeId: '7', firstNumber: '100', nextNumber: '103' } }],
  [
    'UpdateStore',
    { store: { store_id: 7, prefix: 'W' }, update_mask: { paths: ['prefix'] } },
    { store: { prefix: 'W' } },
  ],
  ['ListStores', {}, { stores: [{ storeId: '7' }] }],
  ['VerifyLedger', {}, { verdict: { asOfOrderId: '3', rows: '2', sequences: '2', ok: true } }],
];

describe('each RPC, by grpcurl', () => {
  it.each(METHODS)('%s %o', async (method, request, answer) => {
    const { client, address } = await serve();
    await client.allocate(7n);
    await client.allocate(7n, 2);
    expect(await grpcurl(address, method, request)).toMatchObject(answer);
  });

  it('every method of the service is among them', async () => {
    const { address } = await serve();
    const methods = (await run(toolPath('grpcurl'), ['-plaintext', address, 'list', 'orders.v1.OrderNumberService']))
      .stdout;
    const names = methods.trim().split('\n');
    expect(names.map((name) => name.split('.').at(-1))).toEqual(METHODS.map(([method]) => method).toSorted());
  });
});

type Provoke = (scene: Awaited<ReturnType<typeof serve>>) => Promise<unknown>;

/** Each row of the status table that a request alone meets: code, reason, and such a request. */
const REQUESTS: readonly (readonly [code: keyof typeof status, reason: Reason, provoke: Provoke])[] = [
  ['INVALID_ARGUMENT', 'STORE_ID_INVALID', ({ client }) => client.allocate(0n)],
  ['INVALID_ARGUMENT', 'COUNT_INVALID', ({ client }) => client.allocate(7n, 1001)],
  ['INVALID_ARGUMENT', 'REQUEST_ID_INVALID', ({ client }) => client.allocate(7n, 1, 'a b')],
  ['INVALID_ARGUMENT', 'PAGE_TOKEN_INVALID', ({ client }) => client.listAllocations({ pageToken: 'x' })],
  ['INVALID_ARGUMENT', 'PAGE_SIZE_INVALID', ({ client }) => client.listAllocations({ pageSize: 1001 })],
  [
    'INVALID_ARGUMENT',
    'ORDER_ID_INVALID',
    ({ client }) => client.call(client.stub.getAllocation, { key: { $case: 'orderId', value: 0n } }),
  ],
  ['INVALID_ARGUMENT', 'STORE_FIELD_INVALID', ({ client }) => client.createStore({ storeId: 7n, minDigits: 20 })],
  ['INVALID_ARGUMENT', 'UPDATE_MASK_INVALID', ({ client }) => client.updateStore({ storeId: 7n }, 'nothing')],
  ['INVALID_ARGUMENT', 'KEY_MISSING', ({ client }) => client.call(client.stub.getAllocation, { key: undefined })],
  [
    'FAILED_PRECONDITION',
    'REQUEST_ID_MISMATCH',
    async ({ client }) => {
      await client.allocate(7n, 2, 'a');
      await client.allocate(7n, 3, 'a');
    },
  ],
  [
    'FAILED_PRECONDITION',
    'FIRST_NUMBER_FIXED',
    async ({ client }) => {
      await client.allocate(7n);
      await client.updateStore({ storeId: 7n, firstNumber: 1n }, 'first_number');
    },
  ],
  ['NOT_FOUND', 'STORE_NOT_FOUND', ({ client }) => client.call(client.stub.getStore, { storeId: 7n })],
  [
    'NOT_FOUND',
    'ALLOCATION_NOT_FOUND',
    ({ client }) => client.call(client.stub.getAllocation, { key: { $case: 'orderId', value: 1n } }),
  ],
  [
    'ALREADY_EXISTS',
    'STORE_EXISTS',
    async ({ client }) => {
      await client.createStore({ storeId: 7n });
      await client.createStore({ storeId: 7n });
    },
  ],
  [
    'OUT_OF_RANGE',
    'SEQUENCE_EXHAUSTED',
    async ({ client }) => {
      await client.createStore({ storeId: 7n, firstNumber: INT64_MAX });
      await client.allocate(7n);
      await client.allocate(7n);
    },
  ],
  [
    'DATA_LOSS',
    'LEDGER_DAMAGED',
    async ({ client, path }) => {
      for (let i = 0; i < 300; i++) await client.allocate(7n, 1, `${i}`.padStart(128, 'x'));
      checkpoint(path);
      overwrite(path);
      await client.listAllocations({ pageSize: 1000 });
    },
  ],
  [
    'INTERNAL',
    'INTERNAL',
    async ({ client, path }) => {
      execute(path, 'ALTER TABLE stores RENAME TO elsewhere');
      await client.call(client.stub.getStore, { storeId: 7n });
    },
  ],
];

describe('each status', () => {
  it.each(REQUESTS)('%s %s', async (code, reason, provoke) => {
    const error = await failureOf(provoke(await serve()));
    expect(status[error.code]).toBe(code);
    expect(errorDetails(error)).toMatchObject({ reason, domain: 'orders.v1' });
  });

  it('INVALID_ARGUMENT REQUEST_ID_REQUIRED', async () => {
    const { client } = await serve({ args: ['--require-request-id'] });
    expect(await statusOf(client.allocate(7n))).toEqual(['INVALID_ARGUMENT', 'REQUEST_ID_REQUIRED']);
  });

  it('NOT_FOUND STORE_NOT_FOUND, where stores are not made by themselves', async () => {
    const { client } = await serve({ args: ['--auto-create-stores=false'] });
    expect(await statusOf(client.allocate(7n))).toEqual(['NOT_FOUND', 'STORE_NOT_FOUND']);
  });

  it('RESOURCE_EXHAUSTED QUEUE_FULL, UNAVAILABLE DRAINING', async (test) => {
    requireTools(test, 'gcc');
    const shim = new FsyncShim();
    const { client, server } = await serve({ args: ['--max-queue', '1'], env: shim.env });
    await client.allocate(7n);
    shim.arm('fsync-hangs');
    const inFlight = client.allocate(7n);
    await shim.hit('fsync-hangs');
    // One of the two waits for its batch, the other finds the queue full.
    const calls = [client.allocate(7n), client.allocate(7n)];
    expect(await statusOf(Promise.race(calls))).toEqual(['RESOURCE_EXHAUSTED', 'QUEUE_FULL']);
    server.child.kill('SIGTERM');
    await server.line('draining');
    expect(await statusOf(client.allocate(7n, 1, 'late'))).toEqual(['UNAVAILABLE', 'DRAINING']);
    shim.disarm();
    await inFlight;
    const ends = await Promise.allSettled(calls);
    expect(ends.map(({ status: end }) => end).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  it('RESOURCE_EXHAUSTED LEDGER_FULL', async (test) => {
    requireTools(test, 'gcc');
    const shim = new FsyncShim();
    const { client } = await serve({ env: shim.env });
    await client.allocate(7n);
    shim.arm('disk-full');
    expect(await statusOf(client.allocate(7n, 1, 'a'))).toEqual(['RESOURCE_EXHAUSTED', 'LEDGER_FULL']);
    shim.disarm();
  });

  it('UNAVAILABLE OUTCOME_UNKNOWN, UNAVAILABLE LEDGER_REOPENING for a read meanwhile', async (test) => {
    requireTools(test, 'gcc');
    const shim = new FsyncShim();
    const { client, path } = await serve({ env: shim.env });
    await client.allocate(7n);
    // Somebody who reads an old state keeps the ledger from being opened again.
    const reader = new Database(path, { readonly: true });
    onTestFinished(() => void reader.close());
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM allocations').get();
    await client.allocate(7n);
    shim.arm('fsync-fails');
    expect(await statusOf(client.allocate(7n, 1, 'a'))).toEqual(['UNAVAILABLE', 'OUTCOME_UNKNOWN']);
    expect(await statusOf(client.listAllocations())).toEqual(['UNAVAILABLE', 'LEDGER_REOPENING']);
    expect(await statusOf(client.verify())).toEqual(['UNAVAILABLE', 'LEDGER_REOPENING']);
    const waiting = client.createStore({ storeId: 8n });
    reader.exec('COMMIT');
    expect((await waiting).storeId).toBe(8n);
    expect((await client.listAllocations()).allocations).toHaveLength(2);
  });

  it('P7: a store whose write failed is an unknown outcome, and is written when asked again', async (test) => {
    requireTools(test, 'gcc');
    const shim = new FsyncShim();
    const { client } = await serve({ env: shim.env });
    await client.createStore({ storeId: 7n });
    shim.arm('fsync-fails');
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

async function serve(options: ServeOptions = {}) {
  const path = join(testFolder(), 'orders.db');
  const server = new ServerProcess(path, options);
  const address = await server.serving();
  return { path, server, address, client: new GrpcClient(address) };
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

function execute(path: string, sql: string): void {
  const db = new Database(path);
  db.exec(sql);
  db.close();
}

/** Moves the WAL into the database, so that the damage is where it is read. */
function checkpoint(path: string): void {
  const db = new Database(path);
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
}

/** Damages every page of a closed database but the first ones, in a copy of nothing: in place. */
function overwrite(path: string): void {
  const file = openSync(path, 'r+');
  const noise = Buffer.alloc(4096, 0xa5);
  for (let page = 8; page < 40; page++) writeSync(file, noise, 0, noise.length, page * 4096);
  closeSync(file);
}
