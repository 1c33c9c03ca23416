import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { AllocateOrderRequest } from '../../src/wire/gen/orders/v1/orders.ts';
import { OrderNumbersError } from '../../src/client/index.ts';
import type { Reason } from '../../src/core/reasons.ts';
import { freeAddress } from '../support/network/free-address.ts';
import type { Ending } from './fake-server.ts';
import { allocation, bare, clientOf, detailed, FakeServer, ours, withTrailer } from './fake-server.ts';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** What the server answers to calls with this key, the first time and later. */
const given = ({ requestId }: AllocateOrderRequest): Ending => ({
  response: { allocation: allocation(1n, { requestId }), replayed: false },
});
const replayed = ({ requestId }: AllocateOrderRequest): Ending => ({
  response: { allocation: allocation(1n, { requestId }), replayed: true },
});

describe('retries', () => {
  it.each([
    ['a bare UNAVAILABLE', bare(status.UNAVAILABLE)],
    ['a bare INTERNAL', bare(status.INTERNAL)],
    ['a bare UNKNOWN', bare(status.UNKNOWN)],
    ['a bare CANCELLED', bare(status.CANCELLED)],
    ['a bare INVALID_ARGUMENT', bare(status.INVALID_ARGUMENT)],
    ['DRAINING', ours('DRAINING')],
    ['OUTCOME_UNKNOWN', ours('OUTCOME_UNKNOWN')],
    ['a foreign ErrorInfo', detailed(status.NOT_FOUND, { reason: 'STORE_NOT_FOUND', domain: 'else.v1' })],
    ['details that cannot be read', withTrailer(status.NOT_FOUND, Buffer.from([0xff, 0xff]))],
    ['an answer without an allocation', { response: { allocation: undefined, replayed: false } }],
  ] as [string, Ending][])('P5 P7: asks again after %s, with the same request_id', async (_, ending) => {
    const server = await FakeServer.start({ allocateOrder: [ending, ending, replayed] });
    const allocated = await server.client().allocate({ storeId: 1 });
    expect(allocated).toMatchObject({ orderId: 1n, orderNumber: 100n, replayed: true });
    expect(allocated.requestId).toMatch(UUID_V7);
    expect(server.seen.map(({ request }) => request['requestId'])).toEqual(Array(3).fill(allocated.requestId));
  });

  it('P5 P7: retries an attempt that is not answered within its deadline, which the server is sent', async () => {
    const server = await FakeServer.start({ allocateOrder: ['silence', replayed] });
    const client = server.client({ attemptTimeoutMs: 200, timeoutMs: 10_000 });
    expect(await client.allocate({ storeId: 1, requestId: 'a' })).toMatchObject({ requestId: 'a', replayed: true });
    const [first, second] = server.seen;
    expect(first!.msLeft).toBeLessThanOrEqual(200);
    expect(second!.msLeft).toBeLessThanOrEqual(200);
    await first!.cancelled;
  });

  it('waits at least as long as RetryInfo says', async () => {
    const full = detailed(status.RESOURCE_EXHAUSTED, { reason: 'QUEUE_FULL', domain: 'orders.v1' }, 300);
    const server = await FakeServer.start({ allocateOrder: [full, full, given] });
    await server.client().allocate({ storeId: 1 });
    const [first, second, third] = server.seen.map(({ atMs }) => atMs);
    // Timers may fire a millisecond early.
    expect(second! - first!).toBeGreaterThanOrEqual(298);
    expect(third! - second!).toBeGreaterThanOrEqual(298);
  });

  it('connects to a server that starts later', async () => {
    const address = await freeAddress();
    const allocated = clientOf(address).allocate({ storeId: 1, requestId: 'early' });
    const refused = clientOf(address, { timeoutMs: 100 }).allocate({ storeId: 1 });
    await expect(refused).rejects.toMatchObject({ isUnreachable: true, outcome: 'refused' });
    await FakeServer.start({ allocateOrder: [given] }, {}, { address });
    expect(await allocated).toMatchObject({ requestId: 'early' });
  });
});

describe('refusals', () => {
  it.each([
    ['STORE_ID_INVALID', 'INVALID_ARGUMENT'],
    ['REQUEST_ID_MISMATCH', 'FAILED_PRECONDITION'],
    ['STORE_NOT_FOUND', 'NOT_FOUND'],
    ['SEQUENCE_EXHAUSTED', 'OUT_OF_RANGE'],
    ['LEDGER_DAMAGED', 'DATA_LOSS'],
    ['INTERNAL', 'INTERNAL'],
  ] as [Reason, string][])('takes %s for an answer', async (reason, code) => {
    const server = await FakeServer.start({ allocateOrder: [ours(reason, { store_id: '1' })] });
    const error = await errorOf(server.client().allocate({ storeId: 1, requestId: 'a' }));
    expect(error).toMatchObject({ code, reason, metadata: { store_id: '1' }, requestId: 'a', outcome: 'refused' });
    expect(error.message).toBe(`refused: ${reason}`);
    expect(server.seen).toHaveLength(1);
  });

  it('gives up at once if RetryInfo asks for a longer wait than the time left', async () => {
    const server = await FakeServer.start({ allocateOrder: [ours('LEDGER_FULL')] });
    const error = await errorOf(server.client({ timeoutMs: 4_000 }).allocate({ storeId: 1 }));
    expect(error).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'LEDGER_FULL', outcome: 'refused' });
    expect(performance.now() - server.seen[0]!.atMs).toBeLessThan(3_000);
  });

  it('P7: names the request_id when the time is up and the outcome is unknown', async () => {
    const server = await FakeServer.start({ allocateOrder: ['silence'] });
    const client = server.client({ timeoutMs: 1_000, attemptTimeoutMs: 100 });
    const error = await errorOf(client.allocate({ storeId: 1 }));
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED', reason: undefined, outcome: 'unknown' });
    expect(error.requestId).toMatch(UUID_V7);
    expect(error.message).toContain(`retry with the same request_id ${error.requestId}`);
    expect(server.seen.length).toBeGreaterThan(1);
  });

  it.each([
    ['a full queue', detailed(status.RESOURCE_EXHAUSTED, { reason: 'QUEUE_FULL', domain: 'orders.v1' }, 9e6)],
    ['a bad token', detailed(status.UNAUTHENTICATED, { reason: 'TOKEN_INVALID', domain: 'orders.v1' })],
    ['a damaged ledger', ours('LEDGER_DAMAGED')],
    ['a request under way with the same key and another count', ours('REQUEST_ID_MISMATCH')],
  ] as [string, Ending][])('P7: %s settles nothing about the attempt before', async (_, refusal) => {
    const server = await FakeServer.start({ allocateOrder: [bare(status.UNAVAILABLE), refusal] });
    const error = await errorOf(server.client().allocate({ storeId: 1, requestId: 'a' }));
    expect(error.outcome).toBe('unknown');
    expect(error.message).toContain('retry with the same request_id a');
    expect(server.seen).toHaveLength(2);
  });

  it.each(['STORE_ID_INVALID', 'SEQUENCE_EXHAUSTED'] as const)(
    '%s holds for the previous attempt, too',
    async (reason) => {
      const server = await FakeServer.start({ allocateOrder: [bare(status.UNAVAILABLE), ours(reason)] });
      const error = await errorOf(server.client().allocate({ storeId: 1 }));
      expect(error).toMatchObject({ reason, outcome: 'refused' });
    },
  );
});

describe('stopping', () => {
  it('rejects at once when its signal is aborted, and cancels the call', async () => {
    const server = await FakeServer.start({ allocateOrder: ['silence'] });
    const stop = new AbortController();
    const error = errorOf(server.client().allocate({ storeId: 1, requestId: 'a' }, { signal: stop.signal }));
    const { cancelled } = await server.call(1);
    const reason = new Error('the customer left');
    stop.abort(reason);
    expect(await error).toMatchObject({ code: 'CANCELLED', outcome: 'unknown', requestId: 'a', cause: reason });
    expect((await error).message).toContain('retry with the same request_id a');
    await cancelled;
  });

  it('sends nothing if its signal was already aborted', async () => {
    const server = await FakeServer.start({ allocateOrder: [given] });
    const client = server.client();
    const error = await errorOf(client.allocate({ storeId: 1 }, { signal: AbortSignal.abort() }));
    expect(error).toMatchObject({ code: 'CANCELLED', outcome: 'refused' });
    await client.allocate({ storeId: 1 });
    expect(server.seen).toHaveLength(1);
  });

  it('does not wait out a pause; an earlier refusal stays a refusal', async () => {
    const full = detailed(status.RESOURCE_EXHAUSTED, { reason: 'QUEUE_FULL', domain: 'orders.v1' }, 20_000);
    const server = await FakeServer.start({ allocateOrder: [full] });
    const stop = new AbortController();
    const error = errorOf(server.client().allocate({ storeId: 1 }, { signal: stop.signal }));
    await server.call(1);
    const abortedAt = performance.now();
    setTimeout(() => stop.abort(), 100);
    expect(await error).toMatchObject({ code: 'CANCELLED', outcome: 'refused' });
    expect(performance.now() - abortedAt).toBeLessThan(5_000);
  });

  it('close ends calls in flight and accepts no more', async () => {
    const server = await FakeServer.start({ allocateOrder: ['silence'] });
    const client = server.client();
    const error = errorOf(client.allocate({ storeId: 1 }));
    await server.call(1);
    client.close();
    client.close();
    expect(await error).toMatchObject({
      code: 'CANCELLED',
      outcome: 'unknown',
      cause: { message: 'the client was closed' },
    });
    expect(await errorOf(client.allocate({ storeId: 1 }))).toMatchObject({ code: 'CANCELLED', outcome: 'refused' });
  });
});

describe('requests', () => {
  it('sends ids beyond 2^53 exactly, a count through AllocateOrders, and the token', async () => {
    const run = { response: { allocation: allocation(5n, { count: 3 }), replayed: false } };
    const server = await FakeServer.start({ allocateOrders: [run] });
    const allocated = await server
      .client({ token: 'secret' })
      .allocate({ storeId: 9007199254740993n, count: 3, requestId: 'a' });
    expect(allocated).toEqual({
      ...allocation(5n, { count: 3 }),
      createTime: new Date(1_700_000_000_123),
      replayed: false,
    });
    expect(server.seen[0]).toMatchObject({
      method: 'allocateOrders',
      request: { storeId: 9007199254740993n, count: 3, requestId: 'a' },
      authorization: 'Bearer secret',
    });
  });

  it.each([
    [{ storeId: 2 ** 53 }, 'storeId 9007199254740992'],
    [{ storeId: 1.5 }, 'storeId 1.5'],
    [{ storeId: 2n ** 63n }, 'storeId 9223372036854775808'],
    [{ storeId: '7' as never }, 'storeId "7"'],
    [{ storeId: 1, count: 1.5 }, 'count 1.5'],
    [{ storeId: 1, requestId: '' }, 'requestId ""'],
  ])('does not send an invalid request: %o', async (request, named) => {
    const server = await FakeServer.start({ allocateOrder: [given] });
    const call = server.client().allocate(request);
    await expect(call).rejects.toThrow(TypeError);
    await expect(call).rejects.toThrow(named);
    expect(server.seen).toEqual([]);
  });

  it.each([
    [{ address: '' }, 'address ""'],
    [{ address: 'http://localhost:1' }, 'address "http://localhost:1"'],
    [{ address: 'localhost:1', unreachableTimeoutMs: -1 }, 'unreachableTimeoutMs -1'],
    [{ address: 'localhost:1', timeoutMs: 0 }, 'timeoutMs 0'],
    [{ address: 'localhost:1', attemptTimeoutMs: Number.NaN }, 'attemptTimeoutMs NaN'],
    [{ address: 'localhost:1', tls: { cert: '-----BEGIN CERTIFICATE-----' } }, 'tls.key'],
    [{ address: 'localhost:1', token: 'a\nb' }, 'token'],
  ])('does not start with invalid options: %o', (options, named) => {
    expect(() => clientOf(options.address, options)).toThrow(TypeError);
    expect(() => clientOf(options.address, options)).toThrow(named);
  });
});

/** The error of a call that must fail. */
async function errorOf(call: Promise<unknown>): Promise<OrderNumbersError> {
  const error = await call.then(
    () => new Error('the call was answered, and should have failed'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof OrderNumbersError) return error;
  throw error;
}
