import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { GrpcObject, ServiceClientConstructor, ServiceError } from '@grpc/grpc-js';
import { credentials, loadPackageDefinition, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BUF } from '../../../support/clients/buf.ts';
import { errorDetails } from '../../../support/clients/orders-client.ts';
import { LocalServer } from '../../../support/processes/local-server.ts';
import { testFolder } from '../../../support/processes/server-process.ts';
import { ALLOCATE_ORDER, FIRST_ANSWER, REQUEST } from './first-call.ts';

const ROOT = new URL('../../../..', import.meta.url).pathname;
const run = promisify(execFile);

describe('a dynamic client of proto-loader', () => {
  it('P5: reads int64 as strings, exactly, and is replayed', async () => {
    const { address } = await serve();
    const client = dynamicClient(address);
    const request = { store_id: '9007199254740993', request_id: 'cart-1' };
    const first = await client.allocateOrder(request);
    expect(first).toMatchObject({
      allocation: { order_id: '1', store_id: '9007199254740993', order_number: '100', request_id: 'cart-1' },
      replayed: false,
    });
    expect(await client.allocateOrder(request)).toEqual({ ...(first as object), replayed: true });
    expect(await client.allocateOrder({ store_id: '9223372036854775807' })).toMatchObject({
      allocation: { order_id: '2', store_id: '9223372036854775807' },
    });
  });

  it('gets our error details', async () => {
    const { address } = await serve();
    const error = await dynamicClient(address)
      .allocateOrder({ store_id: '-1' })
      .then(
        () => undefined,
        (thrown: ServiceError) => thrown,
      );
    expect(error?.code).toBe(status.INVALID_ARGUMENT);
    expect(errorDetails(error!)).toMatchObject({ reason: 'STORE_ID_INVALID', metadata: { store_id: '-1' } });
  });
});

describe('buf curl', () => {
  it('P5: lists by reflection and calls by name, without a proto file', async () => {
    const { address } = await serve();
    const { stdout: methods } = await buf('--list-methods', `http://${address}`);
    expect(methods).toContain(ALLOCATE_ORDER);
    const call = async () =>
      JSON.parse((await buf('-d', REQUEST, `http://${address}/${ALLOCATE_ORDER}`)).stdout) as unknown;
    expect(await call()).toEqual(FIRST_ANSWER);
    expect(await call()).toEqual({ ...FIRST_ANSWER, replayed: true });
    const { stdout: health } = await buf('-d', '{}', `http://${address}/grpc.health.v1.Health/Check`);
    expect(JSON.parse(health)).toEqual({ status: 'SERVING' });
  });

  it('shows the details of an error', async () => {
    const { address } = await serve();
    const call = buf('-d', '{"store_id": 0}', `http://${address}/${ALLOCATE_ORDER}`);
    const error = await call.catch((thrown: Error & { stderr: string }) => thrown.stderr);
    expect(error).toMatch(/"code": ?"invalid_argument"[^]*google\.rpc\.ErrorInfo[^]*google\.rpc\.BadRequest/);
  });
});

/** Other clients exercise the transport, for which one engine is enough. */
async function serve() {
  return { address: await new LocalServer(join(testFolder(), 'orders.db')).serving() };
}

function buf(...args: string[]) {
  return run(BUF, ['curl', '--protocol', 'grpc', '--http2-prior-knowledge', ...args]);
}

type Answer = (error: ServiceError | null, response: unknown) => void;

/** A client that knows the proto as text, without our generated code. */
function dynamicClient(address: string) {
  const definition = loadSync('orders/v1/orders.proto', {
    includeDirs: [join(ROOT, 'proto'), join(ROOT, 'third_party')],
    keepCase: true,
    longs: String,
    defaults: true,
  });
  const { v1 } = loadPackageDefinition(definition)['orders'] as GrpcObject;
  const Client = (v1 as GrpcObject)['OrderNumberService'] as ServiceClientConstructor;
  const client = new Client(address, credentials.createInsecure());
  onTestFinished(() => client.close());
  return {
    allocateOrder: (request: object) =>
      new Promise<unknown>((resolve, reject) => {
        const onAnswer: Answer = (error, response) => (error ? reject(error) : resolve(response));
        client['AllocateOrder']!(request, onAnswer);
      }),
  };
}
