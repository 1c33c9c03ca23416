import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceError } from '@grpc/grpc-js';
import { Metadata } from '@grpc/grpc-js';
import { trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { expect, it, onTestFinished, vi } from 'vitest';
import { PACKAGES } from '../../../src/server/tracing/open-tracing.ts';
import { GrpcClient } from '../../support/clients/grpc-client.ts';
import { Collector } from '../../support/network/collector.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';
import { until } from '../../support/until.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const SERVICE = 'orders.v1.OrderNumberService';
const DAY_MS = 86_400_000;

/** The headers of a caller whose trace is recorded, or is not. */
function traced(flags = '01'): Record<string, string> {
  return { traceparent: `00-${TRACE}-${SPAN}-${flags}`, tracestate: 'shop=cart' };
}

class Caller {
  readonly #grpc: GrpcClient;
  readonly #http: string;

  constructor(grpc: string, http: unknown) {
    this.#grpc = new GrpcClient(grpc);
    this.#http = `http://${String(http)}`;
  }

  static async of(server: LocalServer | ServerProcess): Promise<Caller> {
    return new Caller(await server.serving(), (await server.line('serving'))['http']);
  }

  /** Resolves to the code of the status. */
  order(requestId: string, headers: Record<string, string> = {}, storeId = 7n): Promise<number> {
    const { stub } = this.#grpc;
    return new Promise((resolve) =>
      stub.allocateOrder({ storeId, requestId }, metadataOf(headers), (error) => resolve(codeOf(error))),
    );
  }

  batch(requestIds: string[], headers: Record<string, string> = {}): Promise<number> {
    const { stub } = this.#grpc;
    const requests = requestIds.map((requestId) => ({ storeId: 7n, count: 1, requestId }));
    return new Promise((resolve) =>
      stub.batchAllocateOrders({ requests }, metadataOf(headers), (error) => resolve(codeOf(error))),
    );
  }

  async post(path: string, body: string, headers: Record<string, string> = {}): Promise<number> {
    const all = { 'content-type': 'application/json', ...headers };
    return (await fetch(`${this.#http}${path}`, { method: 'POST', headers: all, body })).status;
  }
}

function metadataOf(headers: Record<string, string>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

function codeOf(error: ServiceError | null): number {
  return error?.code ?? 0;
}

function ledger(): string {
  return join(testFolder(), 'orders.db');
}

it('a call is a span in the trace of its caller, over gRPC, HTTP and Connect, with the times of its batch; a stop sends the last spans', async () => {
  const collector = await Collector.open();
  const server = new ServerProcess(ledger(), {
    http: true,
    args: ['--log-level', 'debug'],
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-team=shop',
      OTEL_SERVICE_NAME: 'orders-eu',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
      // Longer than the test: what comes was sent by the stop.
      OTEL_BSP_SCHEDULE_DELAY: '600000',
    },
  });
  const caller = await Caller.of(server);
  expect((await server.line('serving'))['traces']).toBe(`${collector.url}/v1/traces`);
  expect(await caller.order('one', traced())).toBe(0);
  expect(
    await caller.post('/api/generateOrderNumber', '{"store_id":7}', { ...traced(), 'idempotency-key': 'two' }),
  ).toBe(200);
  expect(await caller.batch(['three', 'four'], traced())).toBe(0);
  expect(
    await caller.post('/api/generateOrderNumbers', '[{"store_id":7},{"store_id":7},{"store_id":0}]', traced()),
  ).toBe(200);
  expect(await caller.order('one', traced(), 0n)).toBe(3);
  expect(await caller.post(`/${SERVICE}/AllocateOrder`, '{"storeId":7,"requestId":"five"}', traced())).toBe(200);
  expect(await caller.post(`/${SERVICE}/AllocateOrder`, '{"storeId":-1,"requestId":"five"}', traced())).toBe(400);
  expect(await caller.order('alone')).toBe(0);
  expect(await server.stop()).toBe(0);

  const { spans, requests } = collector;
  const served = {
    'order_numbers.batch_size': 1,
    'order_numbers.queue_ms': expect.any(Number) as number,
    'order_numbers.commit_ms': expect.any(Number) as number,
  };
  const order = { 'rpc.system.name': 'grpc', 'rpc.method': `${SERVICE}/AllocateOrder`, 'client.address': '127.0.0.1' };
  const connect = { ...order, 'rpc.system.name': 'connectrpc' };
  const post = { 'http.request.method': 'POST', 'http.response.status_code': 200, 'client.address': '127.0.0.1' };
  const one = '/api/generateOrderNumber';
  expect(spans.map(({ name, attributes }) => ({ name, attributes }))).toEqual([
    {
      name: `${SERVICE}/AllocateOrder`,
      attributes: { ...order, 'rpc.status_code': 'OK', ...asked('7', 'one', '1'), ...served },
    },
    {
      name: `POST ${one}`,
      attributes: { ...post, 'http.route': one, 'url.path': one, ...asked('7', 'two', '2'), ...served },
    },
    {
      name: `${SERVICE}/BatchAllocateOrders`,
      attributes: {
        ...order,
        'rpc.method': `${SERVICE}/BatchAllocateOrders`,
        'rpc.status_code': 'OK',
        'order_numbers.OK': '2',
        ...served,
        'order_numbers.batch_size': 2,
      },
    },
    {
      name: `POST ${one}s`,
      attributes: {
        ...post,
        'http.route': `${one}s`,
        'url.path': `${one}s`,
        'order_numbers.OK': '2',
        'order_numbers.STORE_ID_INVALID': '1',
        ...served,
        'order_numbers.batch_size': 2,
      },
    },
    {
      name: `${SERVICE}/AllocateOrder`,
      attributes: {
        ...order,
        'rpc.status_code': 'INVALID_ARGUMENT',
        'order_numbers.store_id': '0',
        'order_numbers.request_id': 'one',
        'order_numbers.reason': 'STORE_ID_INVALID',
      },
    },
    { name: `${SERVICE}/AllocateOrder`, attributes: { ...connect, ...asked('7', 'five', '7'), ...served } },
    {
      name: `${SERVICE}/AllocateOrder`,
      attributes: {
        ...connect,
        'rpc.status_code': 'invalid_argument',
        'order_numbers.store_id': '-1',
        'order_numbers.request_id': 'five',
        'order_numbers.reason': 'STORE_ID_INVALID',
      },
    },
    {
      name: `${SERVICE}/AllocateOrder`,
      attributes: { ...order, 'rpc.status_code': 'OK', ...asked('7', 'alone', '8'), ...served },
    },
  ]);
  const traces = [
    ...Array.from({ length: 7 }, () => [TRACE, SPAN, 'shop=cart', 2, 0]),
    [expect.not.stringMatching(TRACE), '', '', 2, 0],
  ];
  expect(spans.map((span) => [span.traceId, span.parentSpanId, span.traceState, span.kind, span.status])).toEqual(
    traces,
  );
  for (const { start, end, attributes, resource } of spans) {
    expect(Math.abs(start - Date.now())).toBeLessThan(DAY_MS);
    const waited =
      Number(attributes['order_numbers.queue_ms'] ?? 0) + Number(attributes['order_numbers.commit_ms'] ?? 0);
    expect(end - start).toBeGreaterThanOrEqual(waited - 0.01);
    expect(resource).toMatchObject({ 'service.name': 'orders-eu', 'deployment.environment.name': 'test' });
  }
  expect(requests).toMatchObject([{ path: '/v1/traces', headers: { 'x-team': 'shop' } }]);
  // The lines of the log name the same spans.
  const lines = server.log.filter((line) => 'method' in line);
  expect(lines.map((line) => [line['trace_id'], line['span_id']])).toEqual(
    spans.map(({ traceId, spanId }) => [traceId, spanId]),
  );
});

/** What an order that was numbered shows of itself. */
function asked(storeId: string, requestId: string, orderId: string) {
  return {
    'order_numbers.store_id': storeId,
    'order_numbers.request_id': requestId,
    'order_numbers.order_id': orderId,
  };
}

it.each([
  ['sampling', { OTEL_TRACES_SAMPLER: 'always_off' }],
  ['the exporter', { OTEL_TRACES_EXPORTER: 'none' }],
  ['the SDK', { OTEL_SDK_DISABLED: 'true' }],
])('nothing is sent, and no connection made, when %s is off', async (_, variables) => {
  const collector = await Collector.open();
  const server = new LocalServer(ledger(), { args: ['--otlp', collector.url], variables });
  const caller = await Caller.of(server);
  expect(await caller.order('one', traced())).toBe(0);
  expect(await server.stop()).toBe(0);
  expect(collector.connections).toBe(0);
});

it('a trace that its caller does not record has no span here, but its ids are in the log', async () => {
  const collector = await Collector.open();
  const args = ['--otlp', collector.url, '--log-level', 'debug'];
  const server = new LocalServer(ledger(), { args });
  const caller = await Caller.of(server);
  expect(await caller.order('one', traced('00'))).toBe(0);
  expect(await caller.order('two', traced('01'))).toBe(0);
  expect(await server.stop()).toBe(0);
  const [one, two] = server.log.filter((line) => 'method' in line);
  expect([one?.['trace_id'], two?.['trace_id']]).toEqual([TRACE, TRACE]);
  expect(one?.['span_id']).not.toBe(SPAN);
  expect(collector.spans.map(({ spanId }) => spanId)).toEqual([two?.['span_id']]);
});

it('a collector that hangs delays no order, costs no more than its bound, and is accounted for in the log', async () => {
  const collector = await Collector.open({ hangs: true });
  // Longer than the test. The exporter reads it from the process itself.
  vi.stubEnv('OTEL_EXPORTER_OTLP_TIMEOUT', '600000');
  onTestFinished(() => void vi.unstubAllEnvs());
  const server = new LocalServer(ledger(), {
    args: ['--otlp', `${collector.url}/`, '--drain-timeout-ms', '600'],
    variables: { OTEL_BSP_MAX_QUEUE_SIZE: '10', OTEL_BSP_EXPORT_TIMEOUT: '600000' },
  });
  const caller = await Caller.of(server);
  const codes = await Promise.all(Array.from({ length: 200 }, (_, i) => caller.order(`order-${i}`)));
  expect(codes).toEqual(Array.from({ length: 200 }, () => 0));
  await until('an export has begun', () => collector.requests.length > 0);
  expect(await server.stop()).toBe(0);

  expect(collector.requests).toMatchObject([{ path: '/v1/traces' }]);
  const lost = server.log.filter((line) => 'spans_lost' in line);
  expect(lost.map((line) => [line['spans_lost'], line.msg])).toEqual([
    [1, expect.stringContaining('traces are dropped, because 10 spans wait for the collector')],
    [10, 'the last traces were not sent before the server stopped'],
    [189, expect.stringContaining('traces are dropped')],
  ]);
});

it('a collector that is not there is named in the log, and the orders are numbered', async () => {
  const address = await freeAddress();
  // Shorter than the pause before a retry. The exporter reads it from the process itself.
  vi.stubEnv('OTEL_EXPORTER_OTLP_TIMEOUT', '500');
  onTestFinished(() => void vi.unstubAllEnvs());
  const variables = { OTEL_BSP_SCHEDULE_DELAY: '1' };
  const server = new LocalServer(ledger(), { args: ['--otlp', `http://${address}`], variables });
  const caller = await Caller.of(server);
  expect(await caller.order('one')).toBe(0);
  const line = await server.line(/^traces cannot be sent/);
  expect(line).toMatchObject({
    spans_lost: 1,
    msg: expect.stringContaining(`http://${address}/v1/traces: `) as string,
  });
  expect(await caller.order('two')).toBe(0);
  expect(await server.stop()).toBe(0);
  const lost = server.log.map((each) => Number(each['spans_lost'] ?? 0));
  expect(lost.reduce((sum, spans) => sum + spans)).toBe(2);
});

it('an SDK that the process has registered before gets the spans, and --otlp is ignored', async () => {
  const [theirs, ours] = [await Collector.open(), await Collector.open()];
  const exporter = new OTLPTraceExporter({ url: `${theirs.url}/theirs` });
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  trace.setGlobalTracerProvider(provider);
  onTestFinished(() => trace.disable());
  const server = new LocalServer(ledger(), { args: ['--otlp', ours.url] });
  const caller = await Caller.of(server);
  expect(await caller.order('one', traced())).toBe(0);
  await server.stop();
  await provider.shutdown();
  expect(theirs.requests).toMatchObject([{ path: '/theirs' }]);
  expect(theirs.spans).toMatchObject([{ traceId: TRACE, parentSpanId: SPAN, name: `${SERVICE}/AllocateOrder` }]);
  expect(ours.connections).toBe(0);
});

it('without the packages that --otlp needs a server numbers, and its log has the line for npm', async () => {
  const collector = await Collector.open();
  const hide = `
    import { registerHooks } from 'node:module';
    const resolve = (name, context, next) => {
      if (!name.startsWith('@opentelemetry/sdk-trace')) return next(name, context);
      throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
    };
    registerHooks({ resolve });`;
  const server = new ServerProcess(ledger(), {
    http: true,
    args: ['--otlp', collector.url],
    env: { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(hide)}` },
  });
  const caller = await Caller.of(server);
  expect(await caller.order('one', traced())).toBe(0);
  expect((await server.line(/^no traces are sent/)).msg).toMatch(
    /^no traces are sent: --otlp needs packages that are not installed: npm install @opentelemetry\/sdk-trace@\S+ /,
  );
});

it('the line for npm names the versions that the package takes, and the documents have the same', () => {
  expect(readFileSync(new URL('../../../docs/traces.md', import.meta.url), 'utf8')).toContain(
    `npm install ${PACKAGES}\n`,
  );
  const { peerDependencies } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    readonly peerDependencies: Readonly<Record<string, string>>;
  };
  const named = PACKAGES.split(' ').map((each) => /^(.+)@([\d.]+)$/.exec(each)!.slice(1) as [string, string]);
  expect(named.map(([name]) => name).toSorted()).toEqual(Object.keys(peerDependencies).toSorted());
  for (const [name, version] of named) expect(peerDependencies[name]).toMatch(new RegExp(`^[^\\d]*${version}\\.0\\b`));
});
