import type { ClientReadableStream } from '@grpc/grpc-js';
import { credentials, status } from '@grpc/grpc-js';
import { expect, it, onTestFinished } from 'vitest';
import { Allocator } from '../../../../src/core/allocator.ts';
import { HealthClient } from '../../../../src/wire/gen/grpc/health/v1/health.ts';
import { ServerReflectionClient } from '../../../../src/wire/gen/grpc/reflection/v1/reflection.ts';
import { startGrpcServer } from '../../../../src/server/grpc/grpc-server.ts';
import { orderNumberService } from '../../../../src/server/grpc/order-number-service.ts';
import { StreamLimit } from '../../../../src/server/grpc/enforcement/stream-limit.ts';
import { GrpcClient } from '../../../support/clients/grpc-client.ts';
import { MemoryLedger } from '../../../support/engines/memory-ledger.ts';
import { isServiceError } from '../../../support/clients/orders-client.ts';
import { serviceContext } from '../../../support/processes/service-context.ts';

/** More than may be open at the same time on one connection. */
const MANY = 20;

it('counts the streams of each connection, and of all, until they end', () => {
  const limit = new StreamLimit('Watch', { inAll: 3, perConnection: 2 });
  const [first] = [limit.enter('a'), limit.enter('a')];
  expect(() => limit.enter('a')).toThrow('2 calls of Watch are running on this connection');
  limit.enter('b');
  expect(() => limit.enter('c')).toThrow('3 calls of Watch are running');
  first!();
  limit.enter('a');
  expect(() => limit.enter('c')).toThrow(expect.objectContaining({ reason: 'QUEUE_FULL' }) as Error);
});

it.each([
  ['verifications', (client) => client.stub.verifyLedger({ storeId: undefined })],
  ['verifications that are refused', (client) => client.stub.verifyLedger({ storeId: 0n })],
  ['watches that are refused', (client) => client.stub.watchAllocations({ storeId: 0n, afterOrderId: undefined })],
  ['watches', (client) => client.stub.watchAllocations({ storeId: undefined, afterOrderId: 0n })],
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
