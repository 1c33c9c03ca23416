import type { ClientReadableStream } from '@grpc/grpc-js';
import { credentials, status } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { VerifyEvent } from '../../../../src/core/verify/events.ts';
import { WATCHES } from '../../../../src/server/limits.ts';
import { GuardedFixture } from '../guarded-fixture.ts';
import { Allocator } from '../../../../src/core/allocator.ts';
import { HealthClient } from '../../../../src/wire/gen/grpc/health/v1/health.ts';
import { ServerReflectionClient } from '../../../../src/wire/gen/grpc/reflection/v1/reflection.ts';
import { startGrpcServer } from '../../../../src/server/grpc/grpc-server.ts';
import { orderNumberService } from '../../../../src/server/methods/order-number-service.ts';
import { StreamLimit } from '../../../../src/server/methods/stream-limit.ts';
import { GrpcClient } from '../../../support/clients/grpc-client.ts';
import { MemoryLedger } from '../../../support/engines/memory-ledger.ts';
import { failureOf, isServiceError } from '../../../support/clients/orders-client.ts';
import { serviceContext } from '../../../support/processes/service-context.ts';

/** More than may be open at the same time on one connection. */
const MANY = 20;

it('counts the streams of each connection, and of all, until they end', () => {
  const limit = new StreamLimit('Watch', { inAll: 3, perCaller: 2 });
  const [first] = [limit.enter('a'), limit.enter('a')];
  expect(() => limit.enter('a')).toThrow('2 calls of Watch are running for this caller');
  limit.enter('b');
  expect(() => limit.enter('c')).toThrow('3 calls of Watch are running');
  first!();
  expect(() => limit.enter('a')).not.toThrow();
  expect(() => limit.enter('c')).toThrow(expect.objectContaining({ reason: 'QUEUE_FULL' }) as Error);
});

describe('one caller leaves room to others, however many connections it has', () => {
  it('for watches', async () => {
    const { fixture, address } = await openGuarded();
    await new GrpcClient(address, 'others').allocate(7n);
    const shop = [new GrpcClient(address, 'shop'), new GrpcClient(address, 'shop')];
    const watches = Array.from({ length: WATCHES.perCaller + 1 }, (_, i) => shop[i % 2]!.watch({ afterOrderId: 0n }));
    const errors: unknown[] = [];
    let begun = 0;
    for (const watch of watches) {
      watch.on('error', (error) => errors.push(error));
      watch.once('data', () => begun++);
    }
    await vi.waitUntil(() => begun === WATCHES.perCaller && errors.length === 1);
    expect(errors).toMatchObject([{ code: status.RESOURCE_EXHAUSTED }]);
    const other = new GrpcClient(address, 'others').watch({ afterOrderId: 0n });
    expect(await new Promise((resolve) => void other.once('data', resolve))).toMatchObject({ cursor: 0n });
    expect(fixture.log.filter(({ reason }) => reason === 'QUEUE_FULL')).toHaveLength(1);
  });

  it('for verifications', async () => {
    const { fixture, address } = await openGuarded();
    const { reads } = fixture.ledger;
    const release = Promise.withResolvers<void>();
    const begun = vi.spyOn(reads, 'verify').mockImplementation(async function* (): AsyncGenerator<VerifyEvent> {
      await release.promise;
      yield { kind: 'progress', rowsRead: 1n, orderId: 1n, endOrderId: 1n };
    });
    onTestFinished(() => release.resolve());
    const verify = (name: string) => new GrpcClient(address, name).verify();
    const first = verify('shop');
    await vi.waitUntil(() => begun.mock.calls.length === 1);
    expect(await failureOf(verify('shop'))).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: '1 calls of VerifyLedger are running for this caller; end one of them first',
    });
    const other = verify('others');
    await vi.waitUntil(() => begun.mock.calls.length === 2);
    release.resolve();
    expect([await first, await other].map(({ length }) => length)).toEqual([1, 1]);
  });
});

it.each([
  ['verifications', (client) => client.stub.verifyLedger({ storeId: undefined })],
  ['verifications that are refused', (client) => client.stub.verifyLedger({ storeId: 0n })],
  ['watches that are refused', (client) => client.stub.watchAllocations({ storeId: 0n, afterOrderId: undefined })],
  ['watches', (client) => client.stub.watchAllocations({ storeId: undefined, afterOrderId: 0n })],
  ['watches of the server', (client) => client.stub.watchServer({})],
  ['watches of health', (_, health) => health.watch({ service: '' })],
  [
    'reflections',
    (_client, _health, reflection) => {
      const stream = reflection.serverReflectionInfo();
      stream.write({ host: '', messageRequest: { $case: 'listServices', value: '' } });
      return stream;
    },
  ],
] as readonly (readonly [string, (...clients: Clients) => ClientReadableStream<unknown>])[])(
  '%s that ended are no longer counted',
  async (_, open) => {
    const clients = await serve();
    for (let i = 0; i < MANY; i++) {
      const stream = open(...clients);
      const end = Promise.withResolvers<number>();
      stream.on('error', (error) => end.resolve(isServiceError(error) ? error.code : -1));
      stream.on('end', () => end.resolve(status.OK));
      // A watcher leaves after its first message.
      stream.on('data', () => stream.cancel());
      expect([status.OK, status.CANCELLED, status.INVALID_ARGUMENT]).toContain(await end.promise);
    }
  },
);

it.each([
  ['health', 16, (_client: GrpcClient, health: HealthClient) => health.watch({ service: '' })],
  [
    'reflection',
    8,
    (_client: GrpcClient, _health: HealthClient, reflection: ServerReflectionClient) =>
      reflection.serverReflectionInfo(),
  ],
] as const)('one connection has no more streams of %s than %i', async (_, most, open) => {
  const clients = await serve();
  const streams = Array.from({ length: most + 1 }, () => open(...clients) as ClientReadableStream<unknown>);
  onTestFinished(() => streams.forEach((stream) => stream.cancel()));
  const refused = streams.map((stream) => new Promise((resolve) => void stream.on('error', resolve)));
  expect(await Promise.race(refused)).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
});

type Clients = [orders: GrpcClient, health: HealthClient, reflection: ServerReflectionClient];

async function serve(): Promise<Clients> {
  const ledger = new MemoryLedger();
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
  const address = `127.0.0.1:${server.address.port}`;
  const health = new HealthClient(address, credentials.createInsecure());
  const reflection = new ServerReflectionClient(address, credentials.createInsecure());
  onTestFinished(() => [health, reflection].forEach((client) => client.close()));
  return [new GrpcClient(address), health, reflection];
}

async function openGuarded() {
  const fixture = await GuardedFixture.open();
  for (const name of ['shop', 'others']) fixture.callers.add(name);
  return { fixture, address: fixture.address };
}
