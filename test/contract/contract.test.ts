import { status } from '@grpc/grpc-js';
import { describe, expect, it, vi } from 'vitest';
import { INT64_MAX } from '../../src/core/allocation.ts';
import type { Reason } from '../../src/core/reasons.ts';
import { contractFaultsSuite, serveOn, statusOf } from './contract-faults-suite.ts';
import { bufCurl, callEachMethod, METHOD_NAMES } from './contract-methods.ts';
import type { Engine } from '../support/engines/engines.ts';
import { ENGINES } from '../support/engines/engines.ts';
import type { GrpcClient } from '../support/clients/grpc-client.ts';
import { errorDetails, failureOf } from '../support/clients/orders-client.ts';
import { DYNAMODB } from '../support/engines/dynamodb-engine.ts';
import { POSTGRES } from '../support/engines/postgres-engine.ts';
import type { ServeOptions } from '../support/processes/server-process.ts';

// The contract's tables, row by row, through a real server on each engine. What each method does in detail is in
// test/server/grpc.

/** Each row of the status table that a request alone can cause: code, reason, request. They are independent. */
const REQUESTS: readonly (readonly [
  code: keyof typeof status,
  reason: Reason,
  provoke: (client: GrpcClient) => Promise<unknown>,
])[] = [
  ['INVALID_ARGUMENT', 'STORE_ID_INVALID', (client) => client.allocate(0n)],
  ['INVALID_ARGUMENT', 'COUNT_INVALID', (client) => client.allocate(7n, 1001)],
  ['INVALID_ARGUMENT', 'BATCH_SIZE_INVALID', (client) => client.batch()],
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

contractFaultsSuite(POSTGRES);
contractFaultsSuite(DYNAMODB);

describe.each(ENGINES)('on $name', (engine) => {
  it('serves each RPC to another client, and no other RPC', async () => {
    expect(await callEachMethod(await engine.newLedger(), bufCurl)).toEqual(METHOD_NAMES);
  });

  it('answers each status that a request alone can cause', async () => {
    const { client } = await serve(engine);
    for (const [code, reason, provoke] of REQUESTS) {
      const error = await failureOf(provoke(client));
      expect([status[error.code], errorDetails(error)]).toMatchObject([code, { reason, domain: 'orders.v1' }]);
    }
  });

  it('DATA_LOSS LEDGER_DAMAGED', async () => {
    const { client, ledger } = await serve(engine);
    await client.allocate(7n);
    await client.batch(...Array.from({ length: 300 }, (_, i) => ({ requestId: `${i}`.padStart(128, 'x') })));
    await engine.damage(ledger);
    // DynamoDB's last entries are in memory until what they say is in its other items, too.
    const damaged = ['DATA_LOSS', 'LEDGER_DAMAGED'];
    await vi.waitFor(async () => expect(await statusOf(client.listAllocations({ pageSize: 1000 }))).toEqual(damaged));
  });

  if (engine.breakStoreReads) unforeseenError(engine, engine.breakStoreReads);

  it('INVALID_ARGUMENT REQUEST_ID_REQUIRED', async () => {
    const { client } = await serve(engine, { args: ['--require-request-id'] });
    expect(await statusOf(client.allocate(7n))).toEqual(['INVALID_ARGUMENT', 'REQUEST_ID_REQUIRED']);
  });

  it('NOT_FOUND STORE_NOT_FOUND, when stores are not created automatically', async () => {
    const { client } = await serve(engine, { args: ['--auto-create-stores=false'] });
    expect(await statusOf(client.allocate(7n))).toEqual(['NOT_FOUND', 'STORE_NOT_FOUND']);
  });
});

function unforeseenError(engine: Engine, breakStoreReads: (ledger: string) => Promise<void>): void {
  it('INTERNAL INTERNAL, for an unforeseen error of a read', async () => {
    const { client, ledger } = await serve(engine);
    await breakStoreReads(ledger);
    const error = await failureOf(client.call(client.stub.getStore, { storeId: 7n }));
    expect([error.code, errorDetails(error)?.reason]).toEqual([status.INTERNAL, 'INTERNAL']);
    expect(error.details).not.toContain('stores');
  });
}

async function serve(engine: Engine, options: ServeOptions = {}) {
  return serveOn(await engine.newLedger(), options);
}
