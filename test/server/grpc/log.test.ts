import { Metadata } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ENGINES } from '../../support/engines/engines.ts';
import { GrpcClient } from '../../support/clients/grpc-client.ts';
import { connect, failureOf } from '../../support/clients/orders-client.ts';
import { LocalServer } from '../../support/processes/local-server.ts';

const ERROR = 50;
const DEBUG = 20;
const INFO = 30;

describe.each(ENGINES)('on $name', (engine) => {
  it('at level info a successful call is not in the log, a failed one is there once', async () => {
    const server = await runCalls(await engine.newLedger(), 'info');
    expect(server.log.filter((line) => 'method' in line)).toMatchObject([
      {
        method: 'AllocateOrder',
        store_id: '-7',
        request_id: 'bad',
        reason: 'STORE_ID_INVALID',
        ms: expect.any(Number),
        peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      },
      { method: 'AllocateOrder', store_id: '7', request_id: 'bad one', reason: 'REQUEST_ID_INVALID' },
    ]);
    expect(server.said()).not.toContain('good-');
  });
});

it.each(['debug', 'trace'])('at level %s every call is in the log', async (level) => {
  const server = await runCalls(await ENGINES[0]!.newLedger(), level);
  const good = server.log.filter((line) => line.level === DEBUG && 'method' in line);
  // 20 orders, the same one again, and one without a request_id.
  expect(good).toHaveLength(22);
  const orderIds = new Set(good.map((line) => Number(line['order_id'])));
  expect([...orderIds].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 21 }, (_, i) => i + 1));
  for (const line of good) {
    expect(line).toMatchObject({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      method: 'AllocateOrder',
      store_id: '7',
      request_id: expect.stringMatching(/^(good-\d+|[0-9a-f-]{36})$/),
      ms: expect.any(Number),
      peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    });
  }
});

it('a batch has one line: at level debug if all is well, else at the level of its worst refusal', async () => {
  const server = new LocalServer(await ENGINES[0]!.newLedger(), { args: ['--log-level', 'debug'] });
  const client = new GrpcClient(await server.serving());
  await client.batch({ requestId: 'a' }, { requestId: 'b' });
  await client.batch({ requestId: 'c' }, { storeId: 0n }, { storeId: 0n }, { count: 0 });
  await server.stop();
  const lines = server.log.filter((line) => line['method'] === 'BatchAllocateOrders');
  expect(lines).toMatchObject([
    { level: DEBUG, OK: '2', ms: expect.any(Number) },
    { level: INFO, OK: '1', STORE_ID_INVALID: '2', COUNT_INVALID: '1', reason: 'STORE_ID_INVALID' },
  ]);
});

it('a line has the trace of its caller, over gRPC and HTTP, and no other text for it', async () => {
  const server = new LocalServer(await ENGINES[0]!.newLedger(), { args: ['--log-level', 'debug'] });
  const { stub } = new GrpcClient(await server.serving());
  const http = String((await server.line('serving'))['http']);
  const [trace_id, span_id] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
  for (const traceparent of [`00-${trace_id}-${span_id}-00`, 'forged']) {
    const metadata = new Metadata();
    metadata.set('traceparent', traceparent);
    await new Promise((done) => stub.allocateOrder({ storeId: 7n, requestId: '' }, metadata, done));
    await new Promise((done) => stub.allocateOrder({ storeId: 0n, requestId: '' }, metadata, done));
    await fetch(`http://${http}/api/generateOrderNumber`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent },
      body: '{"store_id":7}',
    });
  }
  await server.stop();
  const lines = server.log.filter((line) => 'method' in line);
  expect(lines.map((line) => [line['method'], line['trace_id'], line['span_id']])).toEqual([
    ['AllocateOrder', trace_id, span_id],
    ['AllocateOrder', trace_id, span_id],
    ['generateOrderNumber', trace_id, span_id],
    ['AllocateOrder', undefined, undefined],
    ['AllocateOrder', undefined, undefined],
    ['generateOrderNumber', undefined, undefined],
  ]);
  expect(server.said()).not.toContain('forged');
});

async function runCalls(ledger: string, level: string): Promise<LocalServer> {
  const server = new LocalServer(ledger, { args: ['--log-level', level] });
  const client = connect(await server.serving());
  onTestFinished(() => client.close());
  await Promise.all(
    Array.from({ length: 20 }, (_, i) => client.allocateOrder({ storeId: 7n, requestId: `good-${i}` })),
  );
  await client.allocateOrder({ storeId: 7n, requestId: 'good-1' });
  if (level !== 'info') await client.allocateOrder({ storeId: 7n, requestId: '' });
  await failureOf(client.allocateOrder({ storeId: -7n, requestId: 'bad' }));
  await failureOf(client.allocateOrder({ storeId: 7n, requestId: 'bad one' }));
  await client.checkHealth();
  expect(await server.stop()).toBe(0);
  expect(server.log.every((line) => line.level > 0 && line.level < ERROR)).toBe(true);
  return server;
}
