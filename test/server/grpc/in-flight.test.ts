import { status } from '@grpc/grpc-js';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { AllocatorOptions } from '../../../src/core/allocator.ts';
import { Allocator } from '../../../src/core/allocator.ts';
import { OrderError } from '../../../src/core/errors.ts';
import { startGrpcServer } from '../../../src/server/grpc/grpc-server.ts';
import { orderNumberService } from '../../../src/server/methods/order-number-service.ts';
import { recordCalls } from './recorded-calls.ts';
import { encode, HostileClient } from '../../support/network/hostile-client.ts';
import { MemoryLedger } from '../../support/engines/memory-ledger.ts';
import type { OrdersClient } from '../../support/clients/orders-client.ts';
import { connect, errorDetails, failureOf } from '../../support/clients/orders-client.ts';
import { listAfter } from '../../support/engines/memory-reads.ts';
import { isOfSlowMachine } from '../../support/log-lines.ts';
import { serviceContext } from '../../support/processes/service-context.ts';

const STORE_ID = 7n;
const INFO = 30;
const WARN = 40;
const ERROR = 50;

describe('P6: a waiting call whose caller is gone when the batch is formed burns nothing', () => {
  it('P6: when its deadline has passed at the client', async () => {
    const fixture = await Fixture.open();
    const reopening = fixture.ledger.startReopening();
    const error = await failureOf(fixture.allocate('expired', { deadlineMs: 50 }));
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
    await fixture.allCallersGone();
    reopening.resolve();
    expect(await fixture.numberedWithNext()).toEqual([{ orderId: 1n, orderNumber: 100n, requestId: 'next' }]);
  });

  it('P6: when its deadline has passed at the server while the client still waits', async () => {
    const fixture = await Fixture.open();
    const reopening = fixture.ledger.startReopening();
    const client = await HostileClient.connect(fixture.address);
    const request = encode({ storeId: STORE_ID, requestId: 'expired' });
    const answer = await client.call(request, { 'grpc-timeout': '50m' });
    expect(answer.grpcStatus).toBe(status.DEADLINE_EXCEEDED);
    reopening.resolve();
    expect(await fixture.numberedWithNext()).toEqual([{ orderId: 1n, orderNumber: 100n, requestId: 'next' }]);
  });

  it('P6: when its deadline had passed before it arrived', async () => {
    const fixture = await Fixture.open();
    const client = await HostileClient.connect(fixture.address);
    const request = encode({ storeId: STORE_ID, requestId: 'expired' });
    for (const timeout of ['0n', '1n', '0H']) {
      const { grpcStatus } = await client.call(request, { 'grpc-timeout': timeout });
      expect([status.DEADLINE_EXCEEDED, status.CANCELLED]).toContain(grpcStatus);
    }
    expect(await fixture.numberedWithNext()).toEqual([{ orderId: 1n, orderNumber: 100n, requestId: 'next' }]);
  });

  it('P6: when it was cancelled', async () => {
    const fixture = await Fixture.open();
    const reopening = fixture.ledger.startReopening();
    const cancel = new AbortController();
    const error = failureOf(fixture.allocate('cancelled', { signal: cancel.signal }));
    await fixture.arrived(1);
    cancel.abort();
    expect((await error).code).toBe(status.CANCELLED);
    await fixture.allCallersGone();
    reopening.resolve();
    expect(await fixture.numberedWithNext()).toEqual([{ orderId: 1n, orderNumber: 100n, requestId: 'next' }]);
  });

  it('P6: when its connection was lost', async () => {
    const fixture = await Fixture.open();
    const reopening = fixture.ledger.startReopening();
    const client = await HostileClient.connect(fixture.address);
    const answer = client.call(encode({ storeId: STORE_ID, requestId: 'lost' }));
    await fixture.arrived(1);
    client.session.destroy();
    await answer;
    await fixture.allCallersGone();
    reopening.resolve();
    expect(await fixture.numberedWithNext()).toEqual([{ orderId: 1n, orderNumber: 100n, requestId: 'next' }]);
  });

  it('P5 P6: and the cancellation of one copy does not affect the other', async () => {
    const fixture = await Fixture.open();
    const reopening = fixture.ledger.startReopening();
    const cancel = new AbortController();
    const error = failureOf(fixture.allocate('copy', { signal: cancel.signal }));
    await fixture.arrived(1);
    const other = fixture.allocate('copy');
    await fixture.arrived(2);
    cancel.abort();
    expect((await error).code).toBe(status.CANCELLED);
    await vi.waitFor(() => expect(fixture.calls[0]!.cancelled).toBe(true));
    reopening.resolve();
    expect(await other).toMatchObject({ allocation: { orderId: 1n }, replayed: false });
    expect(fixture.ledger.batches).toHaveLength(1);
  });
});

it('P5: copies that wait together reach the ledger as one request, and one is marked new', async () => {
  const fixture = await Fixture.open();
  const reopening = fixture.ledger.startReopening();
  const copies = Array.from({ length: 5 }, () => fixture.allocate('copy'));
  await fixture.arrived(copies.length);
  reopening.resolve();
  const answers = await Promise.all(copies);
  expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
  expect(answers.map(({ allocation }) => allocation?.orderId)).toEqual(copies.map(() => 1n));
  expect(fixture.ledger.batches.flat().map(({ requestId }) => requestId)).toEqual(['copy']);
});

it('P5: a call cancelled after its batch was formed is still numbered, and its copy gets the pair', async () => {
  const fixture = await Fixture.open();
  const held = fixture.ledger.holdNext();
  const error = failureOf(fixture.allocate('late', { deadlineMs: 2000 }));
  await held.begun;
  expect((await error).code).toBe(status.DEADLINE_EXCEEDED);
  held.release();
  expect(await fixture.allocate('late')).toMatchObject({ allocation: { orderId: 1n }, replayed: true });
});

it.each(['99999999H', '99999999M', '99999999S', '597H', '35792M', '2147484S', '99999999m'])(
  'a grpc-timeout of %s, beyond the range of a timer, does not fire at once',
  async (timeout) => {
    const fixture = await Fixture.open();
    const reopening = fixture.ledger.startReopening();
    const client = await HostileClient.connect(fixture.address);
    const answer = client.call(encode({ storeId: STORE_ID, requestId: 'patient' }), { 'grpc-timeout': timeout });
    await fixture.arrived(1);
    expect(Number(fixture.calls[0]!.getDeadline())).toBeGreaterThan(Date.now() + 20 * 60 * 60 * 1000);
    // Time for a timer of no length to fire.
    await client.ping();
    expect(fixture.calls[0]!.cancelled).toBe(false);
    reopening.resolve();
    expect(await answer).toMatchObject({ grpcStatus: status.OK, rstCode: 0 });
  },
);

describe('refusals', () => {
  it('P6: QUEUE_FULL comes at once, and asks only callers that sent a request_id to retry', async () => {
    const fixture = await Fixture.open({ maxQueue: 1 });
    const reopening = fixture.ledger.startReopening();
    const waiting = fixture.allocate('waiting');
    await fixture.arrived(1);
    const withKey = await failureOf(fixture.allocate('refused'));
    expect(withKey.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(errorDetails(withKey)).toMatchObject({ reason: 'QUEUE_FULL', domain: 'orders.v1' });
    expect(errorDetails(withKey)?.retryDelayMs).toBeGreaterThan(0);
    const withoutKey = await failureOf(fixture.allocate(''));
    expect(errorDetails(withoutKey)).toMatchObject({ reason: 'QUEUE_FULL', retryDelayMs: undefined });
    reopening.resolve();
    expect((await waiting).allocation?.orderId).toBe(1n);
    expect((await fixture.allocate('refused')).allocation?.orderId).toBe(2n);
  });

  it('P6: DRAINING comes at once, and asks only callers that sent a request_id to retry', async () => {
    const fixture = await Fixture.open();
    expect(await fixture.allocator.drain(1000)).toBe(true);
    const withKey = await failureOf(fixture.allocate('refused'));
    expect(withKey.code).toBe(status.UNAVAILABLE);
    expect(errorDetails(withKey)).toMatchObject({ reason: 'DRAINING', domain: 'orders.v1' });
    expect(errorDetails(withKey)?.retryDelayMs).toBeGreaterThan(0);
    const withoutKey = await failureOf(fixture.allocate(''));
    expect(errorDetails(withoutKey)).toMatchObject({ reason: 'DRAINING', retryDelayMs: undefined });
    expect(fixture.ledger.batches).toEqual([]);
  });

  it('P7: OUTCOME_UNKNOWN names the request_id in ErrorInfo and in a trailer, even a generated one', async () => {
    const fixture = await Fixture.open();
    fixture.ledger.failNext('not persisted', 'persisted after all');
    const withKey = await failureOf(fixture.allocate('mine'));
    expect(withKey.code).toBe(status.UNAVAILABLE);
    expect(withKey.metadata.get('request-id')).toEqual(['mine']);
    expect(errorDetails(withKey)).toMatchObject({
      reason: 'OUTCOME_UNKNOWN',
      domain: 'orders.v1',
      metadata: { store_id: '7', request_id: 'mine' },
    });
    expect(errorDetails(withKey)?.retryDelayMs).toBeGreaterThan(0);
    expect(withKey.message).not.toContain('the disk failed');

    const withoutKey = await failureOf(fixture.allocate(''));
    const [made] = withoutKey.metadata.get('request-id');
    expect(made).toMatch(/^[0-9a-f-]{36}$/);
    expect(errorDetails(withoutKey)).toMatchObject({ metadata: { request_id: made }, retryDelayMs: undefined });
    expect(await fixture.allocate(String(made))).toMatchObject({ allocation: { orderId: 1n }, replayed: true });
  });

  it('P6: LEDGER_FULL says that nothing was allocated', async () => {
    const fixture = await Fixture.open();
    fixture.ledger.failNext('ledger full');
    const error = await failureOf(fixture.allocate('mine'));
    expect(error.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(errorDetails(error)).toMatchObject({ reason: 'LEDGER_FULL' });
    expect(errorDetails(error)?.retryDelayMs).toBeGreaterThan(0);
    expect(await fixture.numberedWithNext()).toEqual([{ orderId: 1n, orderNumber: 100n, requestId: 'next' }]);
  });

  it('a ledger that cannot open without an operator refuses waiting calls', async () => {
    const fixture = await Fixture.open();
    const reopening = fixture.ledger.startReopening();
    const error = failureOf(fixture.allocate('mine'));
    await fixture.arrived(1);
    reopening.reject(new OrderError('LEDGER_DAMAGED', 'ask the operator', { cause: new Error('row 17') }));
    expect((await error).code).toBe(status.DATA_LOSS);
    expect((await error).message).not.toContain('row 17');
    expect(errorDetails(await error)).toMatchObject({ reason: 'LEDGER_DAMAGED', retryDelayMs: undefined });
  });
});

describe('the log', () => {
  it('has one line per failed call, with its keys and its reason, and none for a successful one', async () => {
    const fixture = await Fixture.open();
    await fixture.allocate('good');
    await failureOf(fixture.client.allocateOrder({ storeId: 0n, requestId: 'bad' }));
    fixture.ledger.failNext('not persisted');
    await failureOf(fixture.allocate('unknown'));
    const call = { method: 'AllocateOrder', ms: expect.any(Number) };
    expect(fixture.log).toMatchObject([
      { ...call, level: INFO, store_id: '0', request_id: 'bad', reason: 'STORE_ID_INVALID' },
      {
        ...call,
        level: ERROR,
        store_id: '7',
        request_id: 'unknown',
        reason: 'OUTCOME_UNKNOWN',
        err: { message: 'the disk failed' },
      },
    ]);
  });

  it('names the generated request_id of a call whose outcome is unknown', async () => {
    const fixture = await Fixture.open();
    fixture.ledger.failNext('persisted after all');
    const error = await failureOf(fixture.allocate(''));
    const [made] = error.metadata.get('request-id');
    expect(fixture.log).toMatchObject([{ reason: 'OUTCOME_UNKNOWN', request_id: made }]);
  });

  it('has one line for a slow call', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const fixture = await Fixture.open();
    const held = fixture.ledger.holdNext();
    const slow = fixture.allocate('slow');
    await held.begun;
    vi.advanceTimersByTime(1500);
    held.release();
    await slow;
    await vi.waitFor(() => expect(fixture.log).toHaveLength(1));
    expect(fixture.log).toMatchObject([{ level: WARN, msg: 'slow call', request_id: 'slow', store_id: '7', ms: 1500 }]);
  });

  it('has 128 characters of a request_id at most', async () => {
    const fixture = await Fixture.open();
    await failureOf(fixture.allocate('r'.repeat(60_000)));
    expect(fixture.log).toMatchObject([{ reason: 'REQUEST_ID_INVALID', request_id: expect.stringMatching(/^r+$/) }]);
    const [line] = fixture.log as { request_id: string }[];
    expect(line?.request_id.length).toBeLessThanOrEqual(128);
  });
});

/** A server in this process, on a ledger in memory that waits and fails on demand. */
class Fixture {
  readonly ledger = new MemoryLedger();
  readonly allocator: Allocator;
  /** Calls of AllocateOrder that have arrived. */
  readonly calls = recordCalls();
  readonly #logLines: string[] = [];
  address = '';
  client!: OrdersClient;

  private constructor(options: Partial<AllocatorOptions>) {
    const limits = { maxBatch: 1000, maxQueue: 10_000, maxQueueShare: 0.5, requireRequestId: false };
    this.allocator = new Allocator({ ledger: this.ledger, ...limits, ...options });
  }

  static async open(options: Partial<AllocatorOptions> = {}): Promise<Fixture> {
    const fixture = new Fixture(options);
    const logger = pino({ level: 'info' }, { write: (line) => fixture.#logLines.push(line) });
    const context = serviceContext(fixture.allocator, fixture.ledger, { logger });
    const { allocateOrder } = orderNumberService(context);
    const server = await startGrpcServer({ host: '127.0.0.1', port: 0 }, { allocateOrder: allocateOrder! }, context);
    onTestFinished(() => server.close(0));
    fixture.address = `127.0.0.1:${server.address.port}`;
    fixture.client = connect(fixture.address);
    onTestFinished(() => fixture.client.close());
    return fixture;
  }

  get log(): unknown[] {
    return this.#logLines.filter((line) => !isOfSlowMachine(line)).map((line) => JSON.parse(line) as unknown);
  }

  allocate(requestId: string, options: Parameters<OrdersClient['allocateOrder']>[1] = {}) {
    return this.client.allocateOrder({ storeId: STORE_ID, requestId }, options);
  }

  /** Resolves when this many calls have arrived since the start. */
  async arrived(calls: number): Promise<void> {
    await vi.waitUntil(() => this.calls.length === calls);
  }

  /** Resolves when the server knows that the callers of all calls so far are gone. */
  async allCallersGone(): Promise<void> {
    await vi.waitUntil(() => this.calls.every(({ cancelled }) => cancelled));
  }

  /** What is in the ledger when one more call is answered. */
  async numberedWithNext() {
    await this.allocate('next');
    const rows = await listAfter(this.ledger, 0n, 10);
    return rows.map(({ orderId, orderNumber, requestId }) => ({ orderId, orderNumber, requestId }));
  }
}
