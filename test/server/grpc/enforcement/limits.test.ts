import { once } from 'node:events';
import type { ClientHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectSocket, createServer } from 'node:net';
import { gzipSync } from 'node:zlib';
import { connectivityState, credentials, status } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Allocator } from '../../../../src/core/allocator.ts';
import { OrderNumberServiceClient } from '../../../../src/wire/gen/orders/v1/orders.ts';
import type { CalledMethod, CallObserver } from '../../../../src/server/calls.ts';
import { startGrpcServer } from '../../../../src/server/grpc/grpc-server.ts';
import { orderNumberService } from '../../../../src/server/methods/order-number-service.ts';
import type { Engine } from '../../../support/engines/engines.ts';
import { ENGINES } from '../../../support/engines/engines.ts';
import { answerOf, encode, framed, HostileClient } from '../../../support/network/hostile-client.ts';
import { MemoryLedger } from '../../../support/engines/memory-ledger.ts';
import { GrpcClient } from '../../../support/clients/grpc-client.ts';
import { connect, errorDetails, failureOf, statusDetails } from '../../../support/clients/orders-client.ts';
import { LocalServer } from '../../../support/processes/local-server.ts';
import { ServerProcess } from '../../../support/processes/server-process.ts';
import { SQLITE } from '../../../support/engines/sqlite-engine.ts';
import { listAfter } from '../../../support/engines/memory-reads.ts';
import { serviceContext } from '../../../support/processes/service-context.ts';

const KIB = 1024;
const REQUEST = { storeId: 7n, requestId: 'cart-1' };
const MAX_STREAMS = 1000;
const PATHS = { allocateOrder: '/orders.v1.OrderNumberService/AllocateOrder', check: '/grpc.health.v1.Health/Check' };
const LIST_ALLOCATIONS = '/orders.v1.OrderNumberService/ListAllocations';

describe('sizes', () => {
  it('P6: a message above 64 KiB is refused by every method that has one request', async () => {
    const { address, ledger, observer } = await serveInProcess();
    const client = new GrpcClient(address);
    const ask = (requestId: string) => client.call(client.stub.allocateOrder, { storeId: 7n, requestId });
    expect(await reasonOf(ask(keyOf(64 * KIB)))).toBe('REQUEST_ID_INVALID');
    expect(await reasonOf(ask(keyOf(64 * KIB + 1)))).toBe('REQUEST_TOO_LARGE');
    const method = expect.objectContaining({ name: 'AllocateOrder' }) as CalledMethod;
    expect(observer.ended).toHaveBeenCalledWith('grpc', method, 'REQUEST_TOO_LARGE', expect.any(Number));
    const page = { pageSize: 0, newestFirst: false, storeId: undefined, pageToken: keyOf(65 * KIB) };
    expect(await reasonOf(client.call(client.stub.listAllocations, page))).toBe('REQUEST_TOO_LARGE');
    // A batch may have that much, and more.
    expect(await client.batch({ requestId: keyOf(255 * KIB) })).toMatchObject([
      { $case: 'status', value: { code: 3 } },
    ]);
    expect((await failureOf(client.batch({ requestId: keyOf(256 * KIB) }))).code).toBe(status.RESOURCE_EXHAUSTED);
    expect(ledger.batches).toEqual([]);
  });

  it('P6: a message that is only announced is refused above 256 KiB', async () => {
    const { address, allocator, ledger } = await serveInProcess();

    const hostile = await HostileClient.connect(address);
    const stream = hostile.open();
    const answer = answerOf(stream);
    const announcement = Buffer.alloc(5);
    announcement.writeUInt32BE(0xffff_ffff, 1);
    stream.write(announcement);
    // Refused before any of it arrived.
    stream.once('response', () => stream.end());
    expect((await answer).grpcStatus).toBe(status.RESOURCE_EXHAUSTED);
    expect(allocator.queueLength).toBe(0);
    expect(ledger.batches).toEqual([]);
  });

  it('P6: batches with 10,000 requests are under way, 90 calls wait, and each request of further ones is QUEUE_FULL', async () => {
    const { address, allocator, ledger } = await serveInProcess();
    const client = new GrpcClient(address);
    const held = ledger.holdNext();
    const batch = (i: number, others = 999) =>
      client.batch({ requestId: `waits-${i}` }, ...Array.from({ length: others }, () => ({ storeId: 0n })));
    // Those that wait are counted as calls, whatever is in them.
    const underWay = Array.from({ length: 100 }, (_, i) => batch(i, i < 10 ? 999 : 9));
    const refused = await batch(100);
    // Ten have one valid request each, and the first of these is in the ledger's batch.
    expect(allocator.queueLength).toBe(9);
    const reasons = refused.map((result) => result?.$case === 'status' && statusDetails(result.value)?.reason);
    expect(new Set(reasons)).toEqual(new Set(['QUEUE_FULL']));
    expect(refused).toHaveLength(1000);
    held.release();
    expect((await Promise.all(underWay)).map(([first]) => first?.$case)).toEqual(underWay.map(() => 'response'));
    expect((await batch(100))[0]?.$case).toBe('response');
  });

  it('P6: a compressed message is refused, however small, by every service: nothing is decompressed', async () => {
    const { address, ledger, observer } = await serveInProcess();
    const client = await HostileClient.connect(address);
    for (const path of [PATHS.allocateOrder, PATHS.check]) {
      const stream = client.open({ 'grpc-encoding': 'gzip' }, path);
      const responded = once(stream, 'response');
      const answer = answerOf(stream);
      stream.end(compressed(encode(REQUEST)));
      expect((await responded)[0]).toMatchObject({ 'grpc-accept-encoding': 'identity' });
      expect((await answer).grpcStatus).toBe(status.UNIMPLEMENTED);
    }
    const method = expect.objectContaining({ name: 'AllocateOrder' }) as CalledMethod;
    expect(observer.ended.mock.calls).toEqual([['grpc', method, 'REQUEST_MALFORMED', expect.any(Number)]]);
    expect((await client.call(encode(REQUEST), { 'grpc-encoding': 'identity' })).grpcStatus).toBe(status.OK);
    expect(await listAfter(ledger, 0n, 10)).toHaveLength(1);
  });

  it('headers of 4 KiB pass, those above 16 KiB are refused, and the connection stays open', async () => {
    const { address, ledger } = await serveInProcess();
    const client = await HostileClient.connect(address);
    const first = await client.call(encode(REQUEST), { 'x-big': 'h'.repeat(4 * KIB) });
    expect(first).toMatchObject({ grpcStatus: status.OK, rstCode: 0 });
    for (const size of [17, 60]) {
      const answer = await client.call(encode({ storeId: 7n, requestId: 'big' }), { 'x-big': 'h'.repeat(size * KIB) });
      expect(answer.grpcStatus).not.toBe(status.OK);
      expect(answer.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    }
    expect((await client.call(encode(REQUEST))).grpcStatus).toBe(status.OK);
    expect((await listAfter(ledger, 0n, 10)).map(({ requestId }) => requestId)).toEqual(['cart-1']);
  });

  it('P6: a malformed AllocateOrderRequest, or an empty stream, is refused and harms nothing', async () => {
    const { address, ledger, observer } = await serveInProcess();
    const client = await HostileClient.connect(address);
    // The second and the third begin like a message; one has a field with the number 0, the other a store as bytes.
    const malformed = ['08', '080700ffffff', '0a0208071a0161', 'ff'.repeat(1000)];
    for (const hex of malformed) {
      expect((await client.call(Buffer.from(hex, 'hex'))).grpcStatus).toBe(status.INVALID_ARGUMENT);
    }
    const method = expect.objectContaining({ name: 'AllocateOrder' }) as CalledMethod;
    const times = malformed.map(() => ['grpc', method, 'REQUEST_MALFORMED', expect.any(Number)]);
    expect(observer.ended.mock.calls).toEqual(times);
    const invalid = [Buffer.from([0x12, 0x02, 0xff, 0xfe]), Buffer.alloc(0)];
    for (const message of invalid) expect((await client.call(message)).grpcStatus).toBe(status.INVALID_ARGUMENT);

    const empty = client.open();
    const answer = answerOf(empty);
    empty.end();
    expect((await answer).grpcStatus).not.toBe(status.OK);
    expect(ledger.batches).toEqual([]);
    expect((await client.call(encode(REQUEST))).grpcStatus).toBe(status.OK);
  });
});

describe('streams', () => {
  it('beyond 1000 concurrent calls per connection are held back, and all are answered', async () => {
    const { address, allocator, ledger } = await serveInProcess();
    const reopening = ledger.startReopening();
    const client = await HostileClient.connect(address);
    const answers = Array.from({ length: MAX_STREAMS + 100 }, (_, i) =>
      client.call(encode({ storeId: 7n, requestId: `cart-${i}` })),
    );
    await vi.waitUntil(() => allocator.queueLength === MAX_STREAMS);
    await client.ping();
    expect(allocator.queueLength).toBe(MAX_STREAMS);
    reopening.resolve();
    expect(new Set((await Promise.all(answers)).map(({ grpcStatus }) => grpcStatus))).toEqual(new Set([status.OK]));
    expect(await listAfter(ledger, 0n, 2000)).toHaveLength(MAX_STREAMS + 100);
  });

  it('P6: many connections share 4,000 calls: what is more waits in the clients, and is answered', async () => {
    const { address, allocator, ledger } = await serveInProcess();
    const reopening = ledger.startReopening();
    const bounds: number[] = [];
    for (let i = 0; i < 24; i++) {
      const { session } = await HostileClient.connect(address);
      bounds.push(session.remoteSettings.maxConcurrentStreams!);
    }
    expect(bounds.slice(0, 4)).toEqual([1000, 750, 562, 422]);
    expect(new Set(bounds.slice(-4))).toEqual(new Set([100]));
    const client = await HostileClient.connect(address);
    const answers = Array.from({ length: 150 }, (_, i) => client.call(encode({ storeId: 7n, requestId: `cart-${i}` })));
    await vi.waitUntil(() => allocator.queueLength === 100);
    await client.ping();
    expect(allocator.queueLength).toBe(100);
    reopening.resolve();
    expect(new Set((await Promise.all(answers)).map(({ grpcStatus }) => grpcStatus))).toEqual(new Set([status.OK]));
  });

  it('a connection that closes leaves its part of the calls to the next ones', async () => {
    const { address } = await serveInProcess();
    const clients = await Promise.all(Array.from({ length: 12 }, () => HostileClient.connect(address)));
    for (const { session } of clients) session.destroy();
    await vi.waitFor(async () => {
      const { session } = await HostileClient.connect(address);
      const bound = session.remoteSettings.maxConcurrentStreams;
      session.destroy();
      expect(bound).toBe(1000);
    });
  });

  it.each(ENGINES)(
    'P1 P2 P6: 1,200 rapid resets leave the server healthy and the ledger dense on $name',
    async (engine) => {
      const { address, ledger, server } = await serve(engine);
      const hostile = await HostileClient.connect(address);
      const streams: ClientHttp2Stream[] = [];
      for (let i = 0; i < 1200 && !hostile.isClosed; i++) {
        const stream = hostile.open();
        stream.end(framed(encode({ storeId: 7n, requestId: `reset-${i}` })));
        stream.close(constants.NGHTTP2_CANCEL);
        streams.push(stream);
      }
      await Promise.all(streams.map(answerOf));
      await expectHealthy(address, server);
      const rows = await engine.assertDense(ledger);
      expect(new Set(rows.map((row) => row.request_id)).size).toBe(rows.length);
    },
  );
});

describe('pings', () => {
  it('flooding an idle connection end that connection alone with ENHANCE_YOUR_CALM', async () => {
    stopClock();
    const { address } = await serveInProcess();
    const [flooder, bystander] = await Promise.all([HostileClient.connect(address), HostileClient.connect(address)]);
    expect(await pingUntilCut(flooder, 1)).toBeLessThan(40);
    expect(flooder.goodbye).toEqual({ code: constants.NGHTTP2_ENHANCE_YOUR_CALM, text: 'too_many_pings' });
    expect((await bystander.call(encode(REQUEST))).grpcStatus).toBe(status.OK);
  });

  it.each([2, 9, 100])('flooding %i at a time are noticed, too', async (atOnce) => {
    stopClock();
    const { address } = await serveInProcess();
    const flooder = await HostileClient.connect(address);
    expect(await pingUntilCut(flooder, atOnce)).toBeLessThan(300);
    expect(flooder.goodbye).toMatchObject({ code: constants.NGHTTP2_ENHANCE_YOUR_CALM });
  });

  it('between calls are not a flood: clients measure the bandwidth with them', async () => {
    const { address } = await serveInProcess();
    const client = await HostileClient.connect(address);
    for (let i = 0; i < 200; i++) {
      const answer = client.call(encode({ storeId: 7n, requestId: `cart-${i}` }));
      expect(await client.ping()).toBe(true);
      expect((await answer).grpcStatus).toBe(status.OK);
    }
    expect(client.goodbye).toBeUndefined();
  });

  it('every 10 s on an idle connection are not a flood, every second they are', async () => {
    stopClock();
    const { address } = await serveInProcess();
    const client = await HostileClient.connect(address);
    for (let i = 0; i < 300; i++) {
      vi.advanceTimersByTime(10_000);
      expect(await client.ping()).toBe(true);
    }
    expect(client.goodbye).toBeUndefined();
    let more = 0;
    while (more < 100 && (await client.ping())) {
      more++;
      vi.advanceTimersByTime(1000);
    }
    expect(more).toBeLessThan(40);
    expect(client.goodbye).toMatchObject({ text: 'too_many_pings' });
  });

  it('of a grpc-js client with keepalive every 10 s do not end its connection', async () => {
    const { address } = await serveInProcess();
    const proxy = await countPings(address);
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const client = new OrderNumberServiceClient(proxy.address, credentials.createInsecure(), {
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 5_000,
      'grpc.keepalive_permit_without_calls': 1,
      'grpc.use_local_subchannel_pool': 1,
    });
    onTestFinished(() => client.close());
    await new Promise<void>((resolve, reject) => {
      client.allocateOrder(REQUEST, (error) => (error ? reject(error) : resolve()));
    });
    const before = proxy.pings();
    for (let i = 1; i <= 60; i++) {
      await vi.advanceTimersByTimeAsync(10_000);
      await vi.waitUntil(() => proxy.pings() >= before + i && proxy.answers() >= proxy.pings(), { interval: 5 });
    }
    expect(proxy.connections()).toBe(1);
    expect(client.getChannel().getConnectivityState(false)).toBe(connectivityState.READY);
  });
});

describe('unread answers', () => {
  it('end their connection alone with ENHANCE_YOUR_CALM when they are many', async () => {
    const { address, ledger } = await serveInProcess();
    const batch = Array.from({ length: 1000 }, (_, i) => ({
      storeId: 7n,
      count: 1,
      requestId: `${i}`.padEnd(128, 'x'),
      caller: '',
    }));
    await ledger.commit(batch);
    const [hostile, slow] = await Promise.all([
      HostileClient.connect(address, { takesNothing: true }),
      HostileClient.connect(address, { takesNothing: true }),
    ]);
    const list = framed(Buffer.from([0x10, 0xe8, 0x07]));
    const ask = (client: HostileClient) => client.open({}, LIST_ALLOCATIONS).end(list);
    for (let i = 0; i < 20; i++) ask(slow);
    await vi.waitUntil(() => {
      for (let i = 0; i < 20 && !hostile.isClosed; i++) ask(hostile);
      return hostile.isClosed;
    });
    expect(hostile.goodbye).toEqual({ code: constants.NGHTTP2_ENHANCE_YOUR_CALM, text: 'answers_not_taken' });
    expect(await slow.ping()).toBe(true);
    const client = connect(address);
    onTestFinished(() => client.close());
    expect((await client.allocateOrder({ storeId: 7n, requestId: 'after' })).replayed).toBe(false);
  });
});

describe('broken connections', () => {
  it('with garbage, HTTP/1.1, a truncated preface or a half-close harm nothing', async () => {
    const server = new ServerProcess(await SQLITE.newLedger());
    const address = await server.serving();
    const attacks = [
      Buffer.alloc(100_000, 0xaa),
      Buffer.from('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'),
      Buffer.from('POST /api/generateOrderNumber HTTP/1.1\r\ncontent-length: 20\r\n\r\n{"store_id": 32913}\n'),
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u0000\u0000\u0004\u0001garbage, not frames'),
      Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]),
    ];
    for (const bytes of attacks) {
      const socket = openSocket(address);
      socket.end(bytes);
      await once(socket, 'close');
    }
    const [silent, cutShort] = [openSocket(address), openSocket(address)];
    cutShort.write('PRI * HTTP/2.0\r\n');
    await Promise.all([silent, cutShort].map((socket) => once(socket, 'connect')));
    await expectHealthy(address, server);
    cutShort.resetAndDestroy();
    await expectHealthy(address, server);
    // A silent connection does not keep the server from stopping.
    expect(await server.stop()).toBe(0);
  });

  it.each(ENGINES)('P1 P6: lost in the middle of calls harm nothing on $name', async (engine) => {
    const { address, ledger, server } = await serve(engine);
    for (let round = 0; round < 20; round++) {
      const client = await HostileClient.connect(address);
      const unfinished = client.open();
      unfinished.write(framed(encode(REQUEST)).subarray(0, 7));
      const answers = [0, 1, 2].map((i) => client.call(encode({ storeId: 7n, requestId: `lost-${round}-${i}` })));
      await client.ping();
      client.session.destroy();
      await Promise.all(answers);
    }
    await expectHealthy(address, server);
    expect((await engine.assertDense(ledger)).length).toBeGreaterThan(0);
  });
});

/** Sends this many pings at a time; returns how many were sent when the connection was cut, or 1000. */
async function pingUntilCut(client: HostileClient, atOnce: number): Promise<number> {
  let sent = 0;
  while (sent < 1000 && !client.isClosed) {
    sent += atOnce;
    await Promise.race([Promise.all(Array.from({ length: atOnce }, () => client.ping())), client.closed]);
  }
  return sent;
}

/** A flood is then as fast as it can be, however slow the machine is. */
function stopClock(): void {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
}

/** The request_id of a message of so many bytes: it has a tag, a length of 3 bytes, and 2 bytes of a store_id. */
function keyOf(bytes: number): string {
  return 'r'.repeat(bytes - 6);
}

async function reasonOf(call: Promise<unknown>): Promise<string | undefined> {
  return errorDetails(await failureOf(call))?.reason;
}

async function serveInProcess() {
  const ledger = new MemoryLedger();
  const allocator = new Allocator({
    ledger,
    maxBatch: 1000,
    maxQueue: 10_000,
    maxQueueShare: 0.5,
    requireRequestId: false,
  });
  const observer = { ended: vi.fn<CallObserver['ended']>(), requestsEnded() {} };
  const context = serviceContext(allocator, ledger, { observer });
  const server = await startGrpcServer({ host: '127.0.0.1', port: 0 }, orderNumberService(context), context);
  onTestFinished(() => server.close(0));
  return { ledger, allocator, observer, address: `127.0.0.1:${server.address.port}` };
}

async function serve(engine: Engine) {
  const ledger = await engine.newLedger();
  const server = new LocalServer(ledger);
  return { ledger, server, address: await server.serving() };
}

/** Asserts that health checks and orders are still answered by the same server, which logged no error. */
async function expectHealthy(address: string, server: LocalServer | ServerProcess): Promise<void> {
  const client = connect(address);
  onTestFinished(() => client.close());
  const answer = await client.allocateOrder({ storeId: 9n, requestId: 'healthy' });
  const health = await client.checkHealth();
  if (health !== 'SERVING' || answer.allocation?.storeId !== 9n) throw new Error(`not healthy: ${health}`);
  if (server instanceof ServerProcess && server.stderr !== '') throw new Error(`standard error: ${server.stderr}`);
  expect(server.log.filter(({ level }) => level > 40)).toEqual([]);
}

function openSocket(address: string): Socket {
  const { hostname, port } = new URL(`http://${address}`);
  const socket = connectSocket(Number(port), hostname);
  // The server may well answer with a reset.
  socket.on('error', () => {});
  socket.resume();
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** A proxy that counts the pings of clients and the answers of the server. */
async function countPings(address: string) {
  let pings = 0;
  let answers = 0;
  let connections = 0;
  const proxy = createServer((client) => {
    connections++;
    const server = openSocket(address);
    client.on('error', () => {});
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
    client.on(
      'data',
      pingCounter((isAnswer) => isAnswer || pings++, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'.length),
    );
    server.on(
      'data',
      pingCounter((isAnswer) => isAnswer && answers++, 0),
    );
    client.pipe(server);
    server.pipe(client);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestFinished(() => void proxy.close());
  return {
    address: `127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    pings: () => pings,
    answers: () => answers,
    connections: () => connections,
  };
}

/** Splits one direction of a connection into HTTP/2 frames and reports each ping and its answer. */
function pingCounter(onPing: (isAnswer: boolean) => unknown, preface: number): (chunk: Buffer) => void {
  const HEADER_BYTES = 9;
  const TYPE_PING = 6;
  const FLAG_ACK = 1;
  let rest = Buffer.alloc(0);
  let skip = preface;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    if (rest.length < skip) return;
    rest = rest.subarray(skip);
    skip = 0;
    while (rest.length >= HEADER_BYTES && rest.length >= HEADER_BYTES + rest.readUIntBE(0, 3)) {
      if (rest[3] === TYPE_PING) onPing(((rest[4] ?? 0) & FLAG_ACK) !== 0);
      rest = rest.subarray(HEADER_BYTES + rest.readUIntBE(0, 3));
    }
  };
}

/** A message in gzip, with the prefix that says so. */
function compressed(message: Uint8Array): Buffer {
  const bytes = framed(gzipSync(message));
  bytes[0] = 1;
  return bytes;
}
