import type { ClientHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import type { ServiceError } from '@grpc/grpc-js';
import { credentials, Metadata, status } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { FailedAttempts } from '../../../src/server/security/failed-attempts.ts';
import { ServerReflectionClient } from '../../../src/wire/gen/grpc/reflection/v1/reflection.ts';
import {
  AllocateOrderResponse,
  AllocateOrdersRequest,
  BatchAllocateOrdersRequest,
  OrderNumberServiceClient,
} from '../../../src/wire/gen/orders/v1/orders.ts';
import { GrpcClient } from '../../support/clients/grpc-client.ts';
import { connect, errorDetails, failureOf } from '../../support/clients/orders-client.ts';
import { answerOf, encode, framed, HostileClient } from '../../support/network/hostile-client.ts';
import { GuardedFixture } from './guarded-fixture.ts';

const ORDER = encode({ storeId: 7n, requestId: 'cart-1' });
const RUN = AllocateOrdersRequest.fromPartial({ storeId: 7n, count: 1, requestId: 'cart-1' });
/** The same order as a message of each method. */
const MESSAGES = {
  AllocateOrder: ORDER,
  AllocateOrders: AllocateOrdersRequest.encode(RUN).finish(),
  BatchAllocateOrders: BatchAllocateOrdersRequest.encode({ requests: [RUN] }).finish(),
};
const MB = 1024 * 1024;

describe('a call without valid credentials', () => {
  it('is refused when its headers arrive: its message is neither waited for nor read', async () => {
    const { address, ledger, ended } = await GuardedFixture.open();
    const client = await HostileClient.connect(address);
    const silent = client.open();
    expect(await answerOf(silent)).toMatchObject({ grpcStatus: status.UNAUTHENTICATED, rstCode: 0 });
    const endless = client.open();
    endless.write(framed(new Uint8Array(MB)));
    expect(await answerOf(endless)).toMatchObject({ grpcStatus: status.UNAUTHENTICATED, rstCode: 0 });
    expect(await client.call(Buffer.from('not a message'))).toMatchObject({ grpcStatus: status.UNAUTHENTICATED });
    expect(ledger.batches).toEqual([]);
    expect(ended).toEqual(times(3, ['AllocateOrder', 'TOKEN_INVALID']));
  });

  it('leaves its connection usable', async () => {
    const { address, callers } = await GuardedFixture.open();
    callers.add('shop');
    const client = await HostileClient.connect(address);
    expect(await client.call(ORDER)).toMatchObject({ grpcStatus: status.UNAUTHENTICATED });
    const answers = ['Bearer nobody', 'Bearer shop', 'Basic shop', 'Bearer shop'].map((authorization) =>
      client.call(ORDER, { authorization }),
    );
    expect((await Promise.all(answers)).map(({ grpcStatus }) => grpcStatus)).toEqual([16, 0, 16, 0]);
    expect(client.isClosed).toBe(false);
  });

  it('gets the details of its refusal, and no advice to retry', async () => {
    const { address } = await GuardedFixture.open();
    const error = await failureOf(new GrpcClient(address, 'nobody').allocate(7n));
    expect(error).toMatchObject({ code: status.UNAUTHENTICATED, details: 'nobody known' });
    expect(errorDetails(error)).toEqual({ reason: 'TOKEN_INVALID', domain: 'orders.v1', metadata: {} });
  });

  it('is refused on every kind of method, and never reaches the ledger', async () => {
    const { address, ledger } = await GuardedFixture.open();
    const client = new GrpcClient(address);
    const { reads } = ledger;
    const asked = [vi.spyOn(reads, 'end'), vi.spyOn(reads, 'getStore'), vi.spyOn(reads, 'verify')];
    const watch = client.watch({ afterOrderId: 0n });
    const ended = new Promise((resolve) => void watch.on('error', resolve));
    expect(await ended).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(await failureOf(client.verify())).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(await failureOf(client.call(client.stub.getStore, { storeId: 7n }))).toMatchObject({ code: 16 });
    expect(asked.map(({ mock }) => mock.calls)).toEqual([[], [], []]);
  });
});

describe('a token that ends between the headers of a call and its message', () => {
  it.each(Object.entries(MESSAGES))('allocates nothing by %s', async (method, message) => {
    const { fixture, stream } = await openSlowly(method);
    fixture.callers.revoke('shop');
    const answer = answerOf(stream);
    stream.end(framed(message));
    expect(await answer).toMatchObject({ grpcStatus: status.UNAUTHENTICATED, grpcMessage: 'nobody known' });
    expect(fixture.ledger.batches).toEqual([]);
    expect(fixture.ended).toEqual([[method, 'TOKEN_INVALID']]);
  });

  it('counts as it is now: for fewer stores, or with less verbs', async () => {
    const { fixture, stream } = await openSlowly('AllocateOrder');
    const { fixture: other, stream: otherStream } = await openSlowly('AllocateOrder');
    fixture.callers.revoke('shop');
    fixture.callers.add('shop', { stores: new Set([8n]) });
    other.callers.revoke('shop');
    other.callers.add('shop', { verbs: new Set(['read']) });
    const answers = [stream, otherStream].map(answerOf);
    for (const one of [stream, otherStream]) one.end(framed(ORDER));
    expect((await Promise.all(answers)).map(({ grpcMessage }) => grpcMessage)).toEqual([
      'shop has no access to store 7',
      'AllocateOrder needs the verb allocate, which shop does not have',
    ]);
    expect([fixture.ledger.batches, other.ledger.batches]).toEqual([[], []]);
  });

  it.each(['WatchAllocations', 'VerifyLedger'])('gets nothing from %s', async (method) => {
    const { fixture, stream } = await openSlowly(method);
    fixture.callers.revoke('shop');
    const messages: unknown[] = [];
    stream.on('data', (message) => messages.push(message));
    const answer = answerOf(stream);
    stream.end(framed(Buffer.alloc(0)));
    expect(await answer).toMatchObject({ grpcStatus: status.UNAUTHENTICATED });
    expect(messages).toEqual([]);
  });
});

it('P5: a token that ends while racing copies wait takes no answer from them, nor from their neighbors', async () => {
  const { address, callers, ledger, allocator } = await GuardedFixture.open();
  const names = ['shop', 'shop', 'kiosk', 'bystander'];
  for (const name of names) callers.add(name);
  const queued = vi.spyOn(allocator, 'enqueue');
  const reopening = ledger.startReopening();
  const answers: Promise<unknown>[] = [];
  for (const [i, name] of names.entries()) {
    answers.push(new GrpcClient(address, name).allocate(7n, 1, name === 'bystander' ? 'cart-2' : 'cart-1'));
    await vi.waitUntil(() => queued.mock.calls.length === i + 1);
  }
  for (const name of ['shop', 'kiosk']) callers.revoke(name);
  reopening.resolve();
  expect(await Promise.all(answers)).toMatchObject([
    { allocation: { orderId: 1n, caller: 'shop' }, replayed: false },
    { allocation: { orderId: 1n, caller: 'shop' }, replayed: true },
    { allocation: { orderId: 1n, caller: 'shop' }, replayed: true },
    { allocation: { orderId: 2n, caller: 'bystander' }, replayed: false },
  ]);
});

it('a caller without the verb is refused before its message is read, too', async () => {
  const { address, callers, ended } = await GuardedFixture.open();
  callers.add('reader', { verbs: new Set(['read']) });
  const client = await HostileClient.connect(address);
  const answer = await answerOf(client.open({ authorization: 'Bearer reader' }));
  expect(answer).toMatchObject({
    grpcStatus: status.PERMISSION_DENIED,
    grpcMessage: 'AllocateOrder needs the verb allocate, which reader does not have',
  });
  expect(ended).toEqual([['AllocateOrder', 'VERB_FORBIDDEN']]);
});

it('a caller is recorded by the name that its credentials prove, whatever else it sends', async () => {
  const { address, callers } = await GuardedFixture.open();
  callers.add('shop');
  const client = await HostileClient.connect(address);
  const claims = { caller: 'boss', name: 'boss', 'x-caller': 'boss', 'user-agent': 'boss', from: 'boss' };
  const stream = client.open({ authorization: 'Bearer shop', ...claims });
  const message = Buffer.from(await bodyOf(stream, framed(ORDER)));
  expect(AllocateOrderResponse.decode(message.subarray(5)).allocation?.caller).toBe('shop');
});

describe('what is open', () => {
  it('health answers without a token', async () => {
    const { address, callers } = await GuardedFixture.open();
    const client = connect(address);
    onTestFinished(() => client.close());
    expect(await client.checkHealth()).toBe('SERVING');
    const statuses: string[] = [];
    client.watchHealth((serving) => statuses.push(serving));
    await vi.waitFor(() => expect(statuses).toEqual(['SERVING']));
    expect(callers.asked).toEqual([]);
  });

  it('a method that does not exist is UNIMPLEMENTED, and what is no gRPC is 415, as without tokens', async () => {
    const { address, ended } = await GuardedFixture.open();
    const client = await HostileClient.connect(address);
    const unknown = ['/orders.v1.OrderNumberService/Steal', '/orders.v1.Other/AllocateOrder', '/'];
    for (const path of unknown) {
      expect(await answerOf(client.open({}, path))).toMatchObject({ grpcStatus: status.UNIMPLEMENTED });
    }
    const foreign = client.open({ 'content-type': 'application/json' });
    const headers = await new Promise<Record<string, unknown>>((resolve) => void foreign.on('response', resolve));
    expect(headers[':status']).toBe(415);
    expect(ended).toEqual([]);
  });
});

describe.each(['v1', 'v1alpha'])('reflection %s', (version) => {
  it('answers any caller with valid credentials, and no other', async () => {
    const { address, callers, ended } = await GuardedFixture.open();
    callers.add('metrics-only', { verbs: new Set(['metrics']), stores: new Set([7n]) });
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    const client = await HostileClient.connect(address);
    expect(await answerOf(client.open({}, path))).toMatchObject({ grpcStatus: status.UNAUTHENTICATED, rstCode: 0 });
    expect(ended).toEqual([['ServerReflectionInfo', 'TOKEN_INVALID']]);
    const stream = client.open({ authorization: 'Bearer metrics-only' }, path);
    // list_services, field 7.
    const answer = await bodyOf(stream, framed(Buffer.from([0x3a, 0])));
    expect(answer.toString('latin1')).toContain('orders.v1.OrderNumberService');
  });
});

it('an open reflection stream ends with its token', async () => {
  const { address, callers } = await GuardedFixture.open();
  callers.add('shop');
  const client = new ServerReflectionClient(address, credentials.createInsecure());
  onTestFinished(() => client.close());
  const metadata = new Metadata();
  metadata.set('authorization', 'Bearer shop');
  const stream = client.serverReflectionInfo(metadata);
  const error = new Promise<ServiceError>((resolve) => void stream.on('error', resolve));
  const answered = new Promise((resolve) => void stream.once('data', resolve));
  stream.write({ host: '', messageRequest: { $case: 'listServices', value: '' } });
  await answered;
  callers.revoke('shop');
  expect(await error).toMatchObject({ code: status.UNAUTHENTICATED, details: 'shop was revoked' });
});

describe('an address whose credentials keep failing', () => {
  const limits = { burst: 2, perSecond: 0, addresses: 10 };

  it('gets the same refusals, but loses its connection each time, and its lines in the log', async () => {
    const { fixture, address } = await openLimited();
    const refusals = [];
    const goodbyes = [];
    for (let i = 0; i < 5; i++) {
      const client = await HostileClient.connect(address);
      refusals.push(await client.call(ORDER, { authorization: `Bearer guess-${i}` }));
      await (i < limits.burst ? client.ping() : client.closed);
      goodbyes.push(client.goodbye?.code);
    }
    const { NGHTTP2_NO_ERROR: ended } = constants;
    expect(goodbyes).toEqual([undefined, undefined, ended, ended, ended]);
    expect(refusals).toEqual(times(5, { grpcStatus: 16, grpcMessage: 'nobody known', rstCode: 0 }));
    expect(fixture.ended).toEqual(times(5, ['AllocateOrder', 'TOKEN_INVALID']));
    expect(fixture.log).toHaveLength(limits.burst);
  });

  it('is told of in the next line, with the number of refusals that have none', async () => {
    const clock = { ms: 0 };
    const failedAttempts = new FailedAttempts({ burst: 1, perSecond: 1, addresses: 10 }, () => clock.ms);
    const fixture = await GuardedFixture.open({ failedAttempts });
    const guess = async () =>
      (await HostileClient.connect(fixture.address)).call(ORDER, { authorization: 'Bearer guess' });
    for (let i = 0; i < 4; i++) await guess();
    clock.ms += 1000;
    await guess();
    const line = {
      method: 'AllocateOrder',
      reason: 'TOKEN_INVALID',
      peer: expect.stringContaining('127.0.0.1:') as string,
    };
    expect(fixture.log).toMatchObject([line, { ...line, unlogged: '3' }]);
  });

  it('does not take the connection from calls with valid credentials, such as those of a gateway', async () => {
    const { fixture, address } = await openLimited();
    fixture.callers.add('shop');
    const client = await HostileClient.connect(address);
    const callers = ['shop', 'guess', 'guess', 'guess', 'shop', 'guess', 'shop'];
    for (const caller of callers) {
      const expected = caller === 'shop' ? status.OK : status.UNAUTHENTICATED;
      const answer = await client.call(ORDER, { authorization: `Bearer ${caller}` });
      expect(answer).toMatchObject({ grpcStatus: expected });
    }
    expect(client.goodbye).toBeUndefined();
  });

  it('nor from those that come together with the failed one', async () => {
    const { fixture, address } = await openLimited();
    fixture.callers.add('shop');
    for (let i = 0; i < limits.burst; i++) await failureOf(new GrpcClient(address, 'guess').allocate(7n));
    const client = await HostileClient.connect(address);
    const answers = ['guess', 'shop', 'guess', 'shop'].map((name) =>
      client.call(ORDER, { authorization: `Bearer ${name}` }),
    );
    expect((await Promise.all(answers)).map(({ grpcStatus }) => grpcStatus)).toEqual([16, 0, 16, 0]);
    expect(client.goodbye).toBeUndefined();
  });

  it.each(['guess', 'shop'])(
    'fails no call with valid credentials of a channel whose first call is by %s',
    async (first) => {
      const { fixture, address } = await openLimited();
      fixture.callers.add('shop');
      for (let i = 0; i < limits.burst; i++) await failureOf(new GrpcClient(address, 'guess').allocate(7n));
      const { stub } = new GrpcClient(address);
      const results = Array.from({ length: 100 }, (_, i) =>
        codeOf(stub, ['guess', 'shop'][(i + (first === 'guess' ? 0 : 1)) % 2]!),
      );
      const codes = await Promise.all(results);
      expect(codes.filter((code) => code === status.OK)).toHaveLength(50);
      expect(codes.filter((code) => code === status.UNAUTHENTICATED)).toHaveLength(50);
    },
  );

  it('lets its other calls end if it never brought valid credentials', async () => {
    const { fixture, address } = await openLimited();
    const client = await HostileClient.connect(address);
    const health = client.open({}, '/grpc.health.v1.Health/Check');
    const guesses = await Promise.all([1, 2, 3].map(() => client.call(ORDER, { authorization: 'Bearer guess' })));
    expect(guesses.map(({ grpcStatus }) => grpcStatus)).toEqual([16, 16, 16]);
    await vi.waitUntil(() => client.goodbye);
    expect(client.session.destroyed).toBe(false);
    const answer = answerOf(health);
    health.end(framed(Buffer.alloc(0)));
    expect(await answer).toMatchObject({ grpcStatus: status.OK });
    await client.closed;
    fixture.callers.add('shop');
    const next = await HostileClient.connect(address);
    for (let i = 0; i < 10; i++) {
      expect(await next.call(ORDER, { authorization: 'Bearer shop' })).toMatchObject({ grpcStatus: status.OK });
    }
    expect(next.goodbye).toBeUndefined();
  });

  it('a missing verb is no failed authentication', async () => {
    const { fixture, address } = await openLimited();
    fixture.callers.add('reader', { verbs: new Set(['read']) });
    const client = await HostileClient.connect(address);
    for (let i = 0; i < 10; i++) {
      expect(await client.call(ORDER, { authorization: 'Bearer reader' })).toMatchObject({ grpcStatus: 7 });
    }
    expect(client.goodbye).toBeUndefined();
    expect(fixture.log).toHaveLength(10);
  });

  async function openLimited() {
    const fixture = await GuardedFixture.open({ failedAttempts: new FailedAttempts(limits) });
    return { fixture, address: fixture.address };
  }
});

function times<Value>(count: number, value: Value): Value[] {
  return Array.from({ length: count }, () => value);
}

/** Sends a message and resolves to all bytes of the answer. */
async function bodyOf(stream: ClientHttp2Stream, message: Buffer): Promise<Buffer> {
  stream.end(message);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The headers of a call have been let in. */
async function openSlowly(method: string) {
  const fixture = await GuardedFixture.open();
  fixture.callers.add('shop');
  const client = await HostileClient.connect(fixture.address);
  const stream = client.open({ authorization: 'Bearer shop' }, `/orders.v1.OrderNumberService/${method}`);
  await client.ping();
  expect(fixture.callers.asked).toHaveLength(1);
  return { fixture, stream };
}

/** Resolves to the status of AllocateOrder with a token, on the connection of the stub. */
function codeOf(stub: OrderNumberServiceClient, token: string): Promise<status> {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  return new Promise((resolve) => {
    stub.allocateOrder({ storeId: 7n, requestId: '' }, metadata, (error) => resolve(error?.code ?? status.OK));
  });
}
