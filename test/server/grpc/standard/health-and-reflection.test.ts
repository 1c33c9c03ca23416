import { join } from 'node:path';
import type { ClientDuplexStream, GrpcObject, ServiceClientConstructor, ServiceError } from '@grpc/grpc-js';
import { Client, credentials, loadPackageDefinition, makeClientConstructor, Metadata, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { OrderNumberServiceService } from '../../../../src/wire/gen/orders/v1/orders.ts';
import type { Engine } from '../../../support/engines/engines.ts';
import { ENGINES } from '../../../support/engines/engines.ts';
import type { OrdersClient } from '../../../support/clients/orders-client.ts';
import { connect, errorDetails, failureOf } from '../../../support/clients/orders-client.ts';
import { LocalServer } from '../../../support/processes/local-server.ts';
import { SQLITE } from '../../../support/engines/sqlite-engine.ts';

const SERVICE = 'orders.v1.OrderNumberService';

describe.each(ENGINES)('health on $name', (engine) => {
  it('Check answers SERVING for the server and its service, NOT_FOUND for any other', async () => {
    const { client } = await serve(engine);
    expect(await client.checkHealth('')).toBe('SERVING');
    expect(await client.checkHealth(SERVICE)).toBe('SERVING');
    const error = await failureOf(client.checkHealth('orders.v1.Unknown'));
    expect(error.code).toBe(status.NOT_FOUND);
  });

  it('Watch answers SERVING at once, and NOT_SERVING when the server is told to stop', async () => {
    const { client, server } = await serve(engine);
    const statuses: string[] = [];
    client.watchHealth((serving) => statuses.push(serving));
    await vi.waitFor(() => expect(statuses).toEqual(['SERVING']));
    expect(await server.stop()).toBe(0);
    expect(statuses).toEqual(['SERVING', 'NOT_SERVING']);
  });
});

it.each(['v1', 'v1alpha'])(
  'reflection %s lists the services, and returns each file with its imports; NOT_FOUND for any other',
  async (version) => {
    const { address } = await serve(SQLITE);
    const ask = reflection(address, version);
    const list = await ask({ listServices: '' });
    const names = list.listServicesResponse?.service.map(({ name }) => name);
    expect(names?.toSorted()).toEqual(['grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection', SERVICE]);

    const symbol = await ask({ fileContainingSymbol: `${SERVICE}.AllocateOrder` });
    const files = symbol.fileDescriptorResponse?.fileDescriptorProto.map((file) => file.toString('latin1'));
    expect(files?.some((file) => file.includes('orders/v1/orders.proto'))).toBe(true);
    expect(files?.some((file) => file.includes('google.protobuf') && file.includes('Timestamp'))).toBe(true);

    for (const name of [
      'Allocation',
      'Allocation.order_id',
      'GetAllocationRequest.key',
      'GetAllocationRequest.order_id',
      'VERIFY_FINDING_KIND_HOLE',
    ]) {
      const found = await ask({ fileContainingSymbol: `orders.v1.${name}` });
      expect([name, found.fileDescriptorResponse?.fileDescriptorProto.length]).toEqual([name, files?.length]);
    }
    const health = await ask({ fileContainingSymbol: 'grpc.health.v1.HealthCheckResponse.ServingStatus' });
    expect(health.fileDescriptorResponse?.fileDescriptorProto).toHaveLength(1);

    const file = await ask({ fileByFilename: 'google/protobuf/timestamp.proto' });
    expect(file.fileDescriptorResponse?.fileDescriptorProto).not.toHaveLength(0);

    const unknown = await ask({ fileContainingSymbol: 'orders.v1.Unknown' });
    expect(unknown.errorResponse?.errorCode).toBe(status.NOT_FOUND);
    const extensions = await ask({ allExtensionNumbersOfType: 'orders.v1.Allocation' });
    expect(extensions.errorResponse?.errorCode).toBe(status.NOT_FOUND);
    expect((await ask({})).errorResponse?.errorCode).toBe(status.INVALID_ARGUMENT);
  },
);

it('unknown methods answer UNIMPLEMENTED and harm nothing; every method of the proto exists', async () => {
  const { address, client } = await serve(SQLITE);
  for (const path of [`/${SERVICE}/Unknown`, '/orders.v1.Unknown/AllocateOrder', '/', '//']) {
    const error = await failureOf(callPath(address, path));
    expect([path, error.code]).toEqual([path, status.UNIMPLEMENTED]);
    expect(errorDetails(error)).toBeUndefined();
  }
  const served = Object.values(OrderNumberServiceService).filter(({ responseStream }) => !responseStream);
  expect(served).toHaveLength(9);
  for (const { path } of served) {
    const code = await callPath(address, path).then(
      () => status.OK,
      (error: ServiceError) => error.code,
    );
    expect([path, code]).not.toEqual([path, status.UNIMPLEMENTED]);
  }
  expect((await client.allocateOrder({ storeId: 7n, requestId: 'cart-1' })).allocation?.orderId).toBe(1n);
});

async function serve(engine: Engine) {
  const server = new LocalServer(await engine.newLedger());
  const address = await server.serving();
  const client: OrdersClient = connect(address);
  onTestFinished(() => client.close());
  return { server, address, client };
}

/** Calls any path with an empty message. */
function callPath(address: string, path: string): Promise<unknown> {
  const client = new Client(address, credentials.createInsecure());
  onTestFinished(() => client.close());
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, asIs, asIs, Buffer.alloc(0), new Metadata(), (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

interface ReflectionAnswer {
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] };
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Buffer[] };
  readonly errorResponse?: { readonly errorCode: number };
}

/** Sends one request per stream. */
function reflection(address: string, version: string): (question: object) => Promise<ReflectionAnswer> {
  const folder = new URL('../../../../third_party/', import.meta.url).pathname;
  const definition = loadSync(join(folder, 'grpc/reflection/v1/reflection.proto'));
  const grpc = loadPackageDefinition(definition)['grpc'] as GrpcObject;
  const scope = (grpc['reflection'] as GrpcObject)['v1'] as GrpcObject;
  const { service } = scope['ServerReflection'] as ServiceClientConstructor;
  const { ServerReflectionInfo: method } = service;
  const path = method!.path.replace('.v1.', `.${version}.`);
  const Reflection = makeClientConstructor({ ServerReflectionInfo: { ...method!, path } }, 'ServerReflection');
  const client = new Reflection(address, credentials.createInsecure());
  onTestFinished(() => client.close());
  return (question) =>
    new Promise((resolve, reject) => {
      const stream: ClientDuplexStream<object, ReflectionAnswer> = client['ServerReflectionInfo']!();
      stream.on('data', resolve);
      stream.on('error', (error: ServiceError) => reject(error));
      stream.end(question);
    });
}
