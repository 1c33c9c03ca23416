import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceDefinition, ServiceError } from '@grpc/grpc-js';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Allocator } from '../../src/core/allocator.ts';
import { orderNumberService } from '../../src/server/methods/order-number-service.ts';
import type { Verb } from '../../src/server/security/principal.ts';
import { VERBS } from '../../src/server/security/principal.ts';
import { newToken } from '../../src/server/security/token-text.ts';
import { HealthService } from '../../src/wire/gen/grpc/health/v1/health.ts';
import { ServerReflectionService } from '../../src/wire/gen/grpc/reflection/v1/reflection.ts';
import type { BatchAllocateOrdersResponse } from '../../src/wire/gen/orders/v1/orders.ts';
import { OrderNumberServiceService } from '../../src/wire/gen/orders/v1/orders.ts';
import { errorDetails, statusDetails } from '../support/clients/orders-client.ts';
import type { Engine } from '../support/engines/engines.ts';
import { ENGINES } from '../support/engines/engines.ts';
import { MemoryLedger } from '../support/engines/memory-ledger.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import { testFolder } from '../support/processes/server-process.ts';
import { serviceContext } from '../support/processes/service-context.ts';
import { entryOf, writeTokens } from '../support/security/tokens.ts';

/** What becomes of a call that names no store, as docs/security.md has it. */
type StoreRule = 'a store is always named' | 'by order_id: only in its stores' | 'needs a token for all stores';

interface Row {
  readonly verb: Verb;
  readonly rule: StoreRule;
  /** A request for a store; `fresh` is one that the caller may create. Undefined: for all stores. */
  request(store: bigint | undefined, fresh: bigint): object;
}

const NAMED = 'a store is always named';
const ALL = 'needs a token for all stores';
const style = { prefix: '', suffix: '', minDigits: 0, firstNumber: undefined, nextNumber: 0n, createTime: undefined };
const page = { pageSize: 0, pageToken: '', newestFirst: false };

/** One row per method of the service: a new method is a missing property. */
const ROWS: Readonly<Record<keyof typeof OrderNumberServiceService, Row>> = {
  allocateOrder: { verb: 'allocate', rule: NAMED, request: (storeId) => ({ storeId, requestId: '' }) },
  allocateOrders: { verb: 'allocate', rule: NAMED, request: (storeId) => ({ storeId, count: 2, requestId: '' }) },
  batchAllocateOrders: {
    verb: 'allocate',
    rule: NAMED,
    request: (storeId) => ({ requests: [{ storeId, count: 2, requestId: '' }] }),
  },
  getAllocation: {
    verb: 'read',
    rule: 'by order_id: only in its stores',
    request: (storeId) => ({ key: { $case: 'orderNumber', value: { storeId, orderNumber: 100n } } }),
  },
  listAllocations: { verb: 'read', rule: ALL, request: (storeId) => ({ ...page, storeId }) },
  watchAllocations: { verb: 'read', rule: ALL, request: (storeId) => ({ storeId, afterOrderId: 0n }) },
  getStore: { verb: 'read', rule: NAMED, request: (storeId) => ({ storeId }) },
  listStores: { verb: 'read', rule: ALL, request: () => page },
  createStore: {
    verb: 'manage',
    rule: NAMED,
    request: (store, fresh) => ({ store: { ...style, storeId: store === OWN ? fresh : store } }),
  },
  updateStore: {
    verb: 'manage',
    rule: NAMED,
    request: (storeId) => ({ store: { ...style, storeId }, updateMask: ['prefix'] }),
  },
  verifyLedger: { verb: 'verify', rule: ALL, request: (storeId) => ({ storeId }) },
  watchServer: { verb: 'read', rule: ALL, request: () => ({}) },
};

/** Both exist, with one order each. */
const OWN = 7n;
const FOREIGN = 8n;
/** Stores that a caller with the right token creates, and one with a token for everything. */
const FRESH = { right: 17n, all: 18n };
/** Credentials that prove nothing. */
const INVALID = ['none', 'not a bearer', 'another service', 'mistyped', 'unknown', 'expired', 'revoked'] as const;

const UNAUTHENTICATED = 'UNAUTHENTICATED TOKEN_INVALID';
const FORBIDDEN = 'PERMISSION_DENIED STORE_FORBIDDEN';

/** Several orders in one request over HTTP. */
const BATCH = '/api/generateOrderNumbers';

interface HttpRefusal {
  readonly reason?: string;
  readonly status?: number;
}

type Cells = Readonly<Record<string, string>>;

describe.each(ENGINES)('who may do what, on $name', (engine) => {
  it('over gRPC: each method × each kind of credentials', async () => {
    const { address, tokens, server } = await serve(engine);
    const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
    onTestFinished(() => client.close());
    const service: ServiceDefinition = OrderNumberServiceService;
    const found: Record<string, Cells> = {};
    for (const [method, row] of Object.entries(ROWS)) {
      const ask = (authorization: string | undefined, store: bigint | undefined, fresh = FRESH.right) =>
        outcome(client, service[method]!, row.request(store, fresh), authorization);
      const invalid = await inTurn(INVALID, (kind) => ask(tokens[kind], OWN));
      found[method] = {
        ...invalid,
        'wrong verb': await ask(tokens[`all but ${row.verb}`], OWN),
        'wrong store': await ask(tokens[`${row.verb} of ${FOREIGN}`], OWN),
        'right, wrong store': await ask(tokens[`${row.verb} of ${OWN}`], FOREIGN),
        right: await ask(tokens[`${row.verb} of ${OWN}`], OWN),
        ...(row.rule === ALL && { 'right, no store': await ask(tokens[`${row.verb} of ${OWN}`], undefined) }),
        'all stores': await ask(tokens[`${row.verb} of all`], row.rule === ALL ? undefined : OWN, 19n),
        all: await ask(tokens['all'], OWN, FRESH.all),
      };
    }
    expect(found).toEqual(
      Object.fromEntries(Object.entries(ROWS).map(([method, row]) => [method, expectedOf(method, row)])),
    );
    expectSecretsKept(server, tokens);
  });

  it('over gRPC: health is open, and reflection needs any valid token', async () => {
    const { address, tokens, server } = await serve(engine);
    const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
    onTestFinished(() => client.close());
    const { path } = ServerReflectionService.serverReflectionInfo;
    const v1alpha = { ...ServerReflectionService.serverReflectionInfo, path: path.replace('.v1.', '.v1alpha.') };
    const request = { host: '', messageRequest: { $case: 'listServices', value: '' } };
    const kinds = [...INVALID, ...VERBS.map((verb) => `${verb} of ${OWN}` as const), 'all'] as const;
    for (const definition of [ServerReflectionService.serverReflectionInfo, v1alpha]) {
      const found = await inTurn(kinds, (kind) => outcome(client, definition, request, tokens[kind]));
      const isInvalid = (kind: string) => (INVALID as readonly string[]).includes(kind);
      expect(found).toEqual(Object.fromEntries(kinds.map((kind) => [kind, isInvalid(kind) ? UNAUTHENTICATED : 'OK'])));
    }
    for (const definition of Object.values(HealthService)) {
      const found = await inTurn(kinds, (kind) => outcome(client, definition, { service: '' }, tokens[kind]));
      expect(found).toEqual(Object.fromEntries(kinds.map((kind) => [kind, 'OK'])));
    }
    expectSecretsKept(server, tokens);
  });

  it('over HTTP: one order, several, and the probes', async () => {
    const { http, tokens, server } = await serve(engine);
    const ask = async (authorization: string | undefined, store: bigint, path: string) => {
      const headers = { 'content-type': 'application/json', ...(authorization !== undefined && { authorization }) };
      const order = `{"store_id": ${store}}`;
      const init = path.startsWith('/api') ? { method: 'POST', body: path === BATCH ? `[${order}]` : order } : {};
      const answer = await fetch(`http://${http}${path}`, { headers, ...init });
      const json = (await answer.json()) as HttpRefusal | [HttpRefusal];
      // For a batch, the result of its one order.
      const { reason, status: code = answer.status } = Array.isArray(json) ? json[0] : json;
      return reason === undefined ? String(answer.status) : `${code} ${reason}`;
    };
    for (const path of ['/api/generateOrderNumber', BATCH]) {
      const found = {
        ...(await inTurn(INVALID, (kind) => ask(tokens[kind], OWN, path))),
        'wrong verb': await ask(tokens['all but allocate'], OWN, path),
        'wrong store': await ask(tokens[`allocate of ${FOREIGN}`], OWN, path),
        'right, wrong store': await ask(tokens[`allocate of ${OWN}`], FOREIGN, path),
        right: await ask(tokens[`allocate of ${OWN}`], OWN, path),
        'all stores': await ask(tokens['allocate of all'], OWN, path),
        all: await ask(tokens['all'], OWN, path),
      };
      expect(found).toEqual({
        ...Object.fromEntries(INVALID.map((kind) => [kind, '401 TOKEN_INVALID'])),
        'wrong verb': '403 VERB_FORBIDDEN',
        'wrong store': '403 STORE_FORBIDDEN',
        'right, wrong store': '403 STORE_FORBIDDEN',
        right: '200',
        'all stores': '200',
        all: '200',
      });
    }
    for (const path of ['/healthz', '/readyz']) {
      expect(Object.values(await inTurn([...INVALID, 'all'], (kind) => ask(tokens[kind], OWN, path)))).toEqual(
        Array.from({ length: INVALID.length + 1 }, () => '200'),
      );
    }
    expectSecretsKept(server, tokens);
  });

  it('the metrics, if they are secure', async () => {
    const { metrics, tokens } = await serve(engine, '--metrics-secure');
    const kinds = [...INVALID, 'all but metrics', `metrics of ${OWN}`, 'all'] as const;
    const found = await inTurn(kinds, async (kind) => {
      const authorization = tokens[kind];
      const answer = await fetch(`http://${metrics}/metrics`, { headers: authorization ? { authorization } : {} });
      return String(answer.status);
    });
    expect(Object.values(found)).toEqual([...INVALID.map(() => '401'), '403', '200', '200']);
  });
});

describe('the table of verbs in docs/security.md', () => {
  const rows = tableOfVerbs();

  it('has each method of the service, with the verb that the code asks for', () => {
    const ledger = new MemoryLedger();
    const queue = { maxBatch: 1, maxQueue: 1, maxQueueShare: 1, requireRequestId: false };
    const served = orderNumberService(serviceContext(new Allocator({ ledger, ...queue }), ledger));
    const names = Object.keys(OrderNumberServiceService);
    expect(Object.keys(served).toSorted()).toEqual(names.toSorted());
    expect(Object.keys(ROWS).toSorted()).toEqual(names.toSorted());
    const verbs = Object.values(served).map(({ method }) => [method.name, method.verb]);
    const documented = rows.filter(([method]) => !method.startsWith('`')).map(([method, verb]) => [method, verb]);
    expect(documented.toSorted()).toEqual(verbs.toSorted());
  });

  it('says what becomes of a call without a store as the matrix does', () => {
    const rules = Object.entries(ROWS).map(([name, { verb, rule }]) => [nameOf(name), verb, rule]);
    expect(rows.filter(([method]) => !method.startsWith('`')).toSorted()).toEqual(rules.toSorted());
  });

  it('has what is served over HTTP, too', () => {
    expect(rows.filter(([method]) => method.startsWith('`'))).toEqual([
      ['`POST /api/generateOrderNumber`', 'allocate', NAMED],
      ['`POST /api/generateOrderNumbers`', 'allocate', NAMED],
      ['`GET /metrics`', 'metrics', 'it concerns no store'],
    ]);
  });
});

/** What has to become of the calls of a method. */
function expectedOf(method: string, { verb, rule }: Row): Cells {
  const foreign = rule === 'by order_id: only in its stores' ? 'NOT_FOUND ALLOCATION_NOT_FOUND' : FORBIDDEN;
  return {
    ...Object.fromEntries(INVALID.map((kind) => [kind, UNAUTHENTICATED])),
    'wrong verb': `PERMISSION_DENIED VERB_FORBIDDEN: needs ${verb}`,
    'wrong store': foreign,
    'right, wrong store': foreign,
    right: method === 'listStores' || method === 'watchServer' ? FORBIDDEN : 'OK',
    ...(rule === ALL && { 'right, no store': FORBIDDEN }),
    'all stores': 'OK',
    all: 'OK',
  };
}

/** What became of a call: OK, or its code and reason. */
function outcome(
  client: Client,
  { path, requestStream, responseStream, requestSerialize, responseDeserialize }: ServiceDefinition[string],
  request: object,
  authorization: string | undefined,
): Promise<string> {
  const metadata = new Metadata();
  if (authorization !== undefined) metadata.set('authorization', authorization);
  const options = { deadline: Date.now() + 50_000 };
  const isEndless = requestStream || path.includes('/Watch');
  return new Promise((resolve) => {
    const failed = (error: ServiceError) => resolve(describeError(error));
    if (!responseStream) {
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        options,
        (error, answer) =>
          error ? failed(error) : resolve(describeAnswer(answer as Partial<BatchAllocateOrdersResponse>)),
      );
      return;
    }
    const bidi = requestStream
      ? client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata, options)
      : undefined;
    bidi?.write(request);
    const stream =
      bidi ?? client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, metadata, options);
    stream.on('error', failed);
    stream.on('status', ({ code }) => code === status.OK && resolve('OK'));
    stream.once('data', () => {
      // One that ends by itself keeps its place until then, and there are few.
      if (!isEndless) return void stream.resume();
      resolve('OK');
      stream.cancel();
    });
  });
}

/** OK, or what became of the one request of a batch. */
function describeAnswer({ results }: Partial<BatchAllocateOrdersResponse>): string {
  const result = results?.[0]?.result;
  return result?.$case === 'status' ? `${status[result.value.code]} ${statusDetails(result.value)?.reason}` : 'OK';
}

function describeError(error: ServiceError): string {
  const reason = errorDetails(error)?.reason;
  const verb = /needs the verb (\w+)/.exec(error.details)?.[1];
  return `${status[error.code]} ${reason}${verb === undefined ? '' : `: needs ${verb}`}`;
}

/** A server on which stores 7 and 8 have one order each, and a header `authorization` of each kind. */
async function serve(engine: Engine, ...args: string[]) {
  const file = join(testFolder(), 'tokens.json');
  const entries: ReturnType<typeof entryOf>[] = [];
  const holder = (name: string, others: Parameters<typeof entryOf>[1] = {}) => {
    const token = newToken();
    entries.push(entryOf(token, { ...others, name: name.replaceAll(' ', '-') }));
    return [name, `Bearer ${token}`] as const;
  };
  const known = newToken();
  const tokens: Readonly<Record<string, string | undefined>> = {
    'not a bearer': `Basic ${Buffer.from(`shop:${known}`).toString('base64')}`,
    'another service': `Bearer ghp_${known.slice(5)}`,
    mistyped: `Bearer ${known.slice(0, -1)}${known.endsWith('0') ? '1' : '0'}`,
    unknown: `Bearer ${newToken()}`,
    ...Object.fromEntries([
      holder('expired', { expires: '2026-01-31' }),
      holder('revoked', { revoked: '2026-01-31T12:00:00Z' }),
      holder('all'),
      ...VERBS.flatMap((verb) => [
        holder(`all but ${verb}`, { verbs: VERBS.filter((other) => other !== verb) }),
        holder(`${verb} of ${OWN}`, { verbs: [verb], stores: [String(OWN), String(FRESH.right)] }),
        holder(`${verb} of ${FOREIGN}`, { verbs: [verb], stores: [String(FOREIGN)] }),
        holder(`${verb} of all`, { verbs: [verb] }),
      ]),
    ]),
  };
  writeTokens(file, ...entries);
  const server = new LocalServer(await engine.newLedger(), {
    args: ['--tokens', file, '--log-level', 'trace', ...args],
  });
  const address = await server.serving();
  const { http, metrics } = (await server.line('serving')) as unknown as Record<string, string>;
  const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  for (const storeId of [OWN, FOREIGN]) {
    const definition = OrderNumberServiceService.allocateOrder as ServiceDefinition[string];
    expect(await outcome(client, definition, { storeId, requestId: '' }, tokens['all'])).toBe('OK');
  }
  client.close();
  return { server, address, http: http!, metrics: metrics!, tokens };
}

/** No line of the log has any part of a token that would help to guess it. */
function expectSecretsKept(server: LocalServer, tokens: Readonly<Record<string, string | undefined>>): void {
  const said = server.said();
  expect(said).toContain('TOKEN_INVALID');
  const secrets = Object.values(tokens).flatMap((token) => (token ? [token.slice(-20), token.slice(12, 32)] : []));
  expect(secrets.filter((secret) => said.includes(secret))).toEqual([]);
}

/** One after the other. */
async function inTurn<Kind extends string>(
  kinds: readonly Kind[],
  ask: (kind: Kind) => Promise<string>,
): Promise<Cells> {
  const found: Record<string, string> = {};
  for (const kind of kinds) found[kind] = await ask(kind);
  return found;
}

function tableOfVerbs(): [method: string, verb: string, rule: string][] {
  const text = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8');
  const section = /\n## Verbs\n(.*?)\n## /s.exec(text)?.[1] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('|'));
  return rows.slice(2).map((line) => {
    const [method = '', verb = '', rule = ''] = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    return [method, verb, rule];
  });
}

function nameOf(method: string): string {
  return method.charAt(0).toUpperCase() + method.slice(1);
}
