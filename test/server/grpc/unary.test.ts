import { status } from '@grpc/grpc-js';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { OrderError } from '../../../src/core/errors.ts';
import type { AllocateOrderRequest, AllocateOrderResponse } from '../../../src/wire/gen/orders/v1/orders.ts';
import { startGrpcServer } from '../../../src/server/grpc/grpc-server.ts';
import { FailedAttempts } from '../../../src/server/security/failed-attempts.ts';
import { OPEN } from '../../../src/server/security/principal.ts';
import type { UnaryMethod } from '../../../src/server/methods/unary.ts';
import { unary } from '../../../src/server/methods/unary.ts';
import { recordCalls } from './recorded-calls.ts';
import { encode, HostileClient } from '../../support/network/hostile-client.ts';
import { connect, errorDetails, failureOf } from '../../support/clients/orders-client.ts';

type Method = UnaryMethod<AllocateOrderRequest, AllocateOrderResponse>;

const REQUEST = { storeId: 7n, requestId: 'cart-1' };
const ERROR = 50;

describe('a handler that throws', () => {
  const thrown = [
    new Error('the secret of the inside'),
    new TypeError('the secret of the inside'),
    'the secret of the inside',
    { message: 'the secret of the inside', code: status.OK, details: 'the secret of the inside' },
    Object.create(null) as unknown,
    undefined,
    null,
    0,
    Symbol('the secret of the inside'),
  ].map((value) => ({ value, name: describeValue(value) }));

  it.each(thrown)('neither ends the process nor shows internals to the caller: $name', async ({ value }) => {
    const { client, log, serve } = await startServer();
    const handlers: Method['handle'][] = [
      () => {
        throw value;
      },
      async () => {
        throw value;
      },
      () => Promise.reject(value),
    ];
    for (const handle of handlers) {
      serve(handle);
      const error = await failureOf(client.allocateOrder(REQUEST));
      expect(error.code).toBe(status.INTERNAL);
      expect(error.details).toBe('unexpected server error');
      expect(errorDetails(error)).toEqual({
        reason: 'INTERNAL',
        domain: 'orders.v1',
        metadata: {},
        retryDelayMs: undefined,
      });
      expect(Object.values(error.metadata.getMap()).map(String).join()).not.toContain('secret');
    }
    expect(log()).toHaveLength(handlers.length);
    expect(log()).toMatchObject(handlers.map(() => ({ method: 'Test', reason: 'INTERNAL', request_id: 'cart-1' })));
  });

  it('is logged as an error, with what was thrown', async () => {
    const { client, log, serve } = await startServer();
    serve(() => Promise.reject(new Error('row 17 is broken')));
    await failureOf(client.allocateOrder(REQUEST));
    expect(log()).toMatchObject([{ level: ERROR, reason: 'INTERNAL', err: { message: 'row 17 is broken' } }]);
  });

  it('is logged as an error, even if it threw undefined', async () => {
    const { client, log, serve } = await startServer();
    serve(() => Promise.reject(undefined));
    await failureOf(client.allocateOrder(REQUEST));
    expect(log()).toMatchObject([{ level: ERROR, reason: 'INTERNAL' }]);
  });

  it('returns reason and message of an OrderError, and never its cause', async () => {
    const { client, serve } = await startServer();
    const cause = new Error('the secret of the inside');
    serve(() => Promise.reject(new OrderError('LEDGER_REOPENING', 'ask again', { cause })));
    const error = await failureOf(client.allocateOrder(REQUEST));
    expect(error).toMatchObject({ code: status.UNAVAILABLE, details: 'ask again' });
    expect(errorDetails(error)).toMatchObject({ reason: 'LEDGER_REOPENING', metadata: {} });
  });
});

it('an answer that cannot be encoded is an error without ErrorInfo, so that the caller retries', async () => {
  const { client, serve } = await startServer();
  const unencodable = { orderId: 2n ** 63n };
  serve(async () => ({ allocation: unencodable, replayed: false }) as unknown as AllocateOrderResponse);
  const error = await failureOf(client.allocateOrder(REQUEST));
  expect(error.code).toBe(status.INTERNAL);
  expect(errorDetails(error)).toBeUndefined();
  serve(async () => ({ allocation: undefined, replayed: true }));
  expect(await client.allocateOrder(REQUEST)).toMatchObject({ replayed: true });
});

it('a handler may answer or throw after its caller has gone', async () => {
  const { client, log, serve, lastCall } = await startServer();
  for (const settle of ['resolve', 'reject'] as const) {
    const held = Promise.withResolvers<AllocateOrderResponse>();
    const begun = Promise.withResolvers<void>();
    serve(() => {
      begun.resolve();
      return held.promise;
    });
    const cancel = new AbortController();
    const error = failureOf(client.allocateOrder(REQUEST, { signal: cancel.signal }));
    await begun.promise;
    cancel.abort();
    expect((await error).code).toBe(status.CANCELLED);
    await vi.waitUntil(() => lastCall()?.cancelled);
    if (settle === 'resolve') held.resolve({ allocation: undefined, replayed: true });
    else held.reject(new Error('too late'));
    serve(async () => ({ allocation: undefined, replayed: true }));
    expect(await client.allocateOrder(REQUEST)).toMatchObject({ replayed: true });
  }
  expect(log()).toMatchObject([{ reason: 'INTERNAL', err: { message: 'too late' } }]);
});

it('the signal fires when the caller has gone, not before', async () => {
  const { client, serve } = await startServer();
  const seen = Promise.withResolvers<{ readonly aborted: boolean }>();
  const held = Promise.withResolvers<AllocateOrderResponse>();
  serve((_request, signal) => {
    seen.resolve(signal);
    return held.promise;
  });
  const error = failureOf(client.allocateOrder(REQUEST, { deadlineMs: 2000 }));
  const signal = await seen.promise;
  expect(signal.aborted).toBe(false);
  expect((await error).code).toBe(status.DEADLINE_EXCEEDED);
  await vi.waitUntil(() => signal.aborted);
  held.reject(new OrderError('CANCELLED', 'gone'));
});

it('no handler sees the token of a caller, nor does the library, which has what a handler has', async () => {
  const { address, serve, lastCall } = await startServer();
  serve(async () => ({ allocation: undefined, replayed: false }));
  const client = await HostileClient.connect(address);
  const headers = { authorization: 'Bearer secret', 'x-other': 'seen' };
  expect(await client.call(encode(REQUEST), headers)).toMatchObject({ grpcStatus: status.OK });
  const { metadata } = lastCall()!;
  expect(metadata.get('x-other')).toEqual(['seen']);
  expect(metadata.get('authorization')).toEqual([]);
  expect(JSON.stringify(metadata)).not.toContain('secret');
});

/** A server whose one method can be changed. */
async function startServer() {
  const lines: string[] = [];
  let handler: Method['handle'];
  const calls = recordCalls();
  const method: Method = {
    name: 'Test',
    verb: 'allocate',
    handle: (...call) => handler(...call),
    storeOf: ({ storeId }) => storeId,
    describe: ({ requestId }) => ({ request_id: requestId }),
    mayRetry: () => true,
  };
  const logger = pino({ level: 'info' }, { write: (line) => lines.push(line) });
  const server = await startGrpcServer(
    { host: '127.0.0.1', port: 0 },
    { allocateOrder: unary(method) },
    { logger, observer: { ended() {}, requestsEnded() {} }, authenticator: OPEN, failedAttempts: new FailedAttempts() },
  );
  onTestFinished(() => server.close(0));
  const address = `127.0.0.1:${server.address.port}`;
  const client = connect(address);
  onTestFinished(() => client.close());
  return {
    address,
    client,
    serve: (handle: Method['handle']) => void (handler = handle),
    lastCall: () => calls.at(-1),
    log: () => lines.map((line) => JSON.parse(line) as unknown),
  };
}

function describeValue(value: unknown): string {
  return value instanceof Error
    ? value.name
    : typeof value === 'object' && value !== null
      ? 'an object'
      : String(value);
}
