import type { DescMethod, DescMethodStreaming, DescMethodUnary, JsonValue, Message } from '@bufbuild/protobuf';
import { fromJson, toJson } from '@bufbuild/protobuf';
import type { Transport } from '@connectrpc/connect';
import { Code, ConnectError } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { expect, it, onTestFinished, vi } from 'vitest';
import { INT64_MAX } from '../../src/core/allocation.ts';
import type { Reason } from '../../src/core/reasons.ts';
import { REASONS } from '../../src/core/reasons.ts';
import { ledgerUnreadable, tokenUnknown } from '../../src/core/refusals.ts';
import { startGrpcServer } from '../../src/server/grpc/grpc-server.ts';
import { messageAt, readDescriptors } from '../../src/server/http/connect/descriptors.ts';
import type { Authenticator } from '../../src/server/security/principal.ts';
import { EVERY_VERB } from '../../src/server/security/principal.ts';
import { HttpFixture } from '../server/http/http-fixture.ts';

// The tables of the contract on every carrier: they have the same methods, so they give the same answers.

const { service, registry } = readDescriptors();
const DETAILS = ['ErrorInfo', 'RetryInfo', 'BadRequest'].map((name) => messageAt(registry, `google.rpc.${name}`));

type Step = readonly [method: string, request: JsonValue, token?: string];

/** Ends a fault, if it does not end by itself. */
type Fault = (() => Promise<unknown>) | void;

/** What makes a server refuse the last of the steps. */
interface Row {
  readonly code: keyof typeof Code;
  readonly reason: Reason;
  readonly steps: readonly Step[];
  /** Makes the server unable to answer; returns what ends that. */
  readonly provoke?: (fixture: HttpFixture) => Fault;
}

const row = (code: Row['code'], reason: Reason, ...steps: readonly Step[]): Row => ({ code, reason, steps });
const fault = (code: Row['code'], reason: Reason, step: Step, provoke: (fixture: HttpFixture) => Fault): Row => ({
  code,
  reason,
  steps: [step],
  provoke,
});
const allocate = (storeId: number, requestId = ''): Step => ['AllocateOrder', { storeId, requestId }];

const ROWS: readonly Row[] = [
  row('InvalidArgument', 'STORE_ID_INVALID', allocate(0)),
  row('InvalidArgument', 'COUNT_INVALID', ['AllocateOrders', { storeId: 7, count: 1001 }]),
  row('InvalidArgument', 'BATCH_SIZE_INVALID', ['BatchAllocateOrders', {}]),
  row('InvalidArgument', 'REQUEST_TOO_LARGE', ['ListStores', { pageToken: 'x'.repeat(65 * 1024) }]),
  row('InvalidArgument', 'REQUEST_ID_INVALID', allocate(7, 'a b')),
  row('InvalidArgument', 'PAGE_TOKEN_INVALID', ['ListAllocations', { pageToken: 'x' }]),
  row('InvalidArgument', 'PAGE_SIZE_INVALID', ['ListAllocations', { pageSize: 1001 }]),
  row('InvalidArgument', 'ORDER_ID_INVALID', ['GetAllocation', { orderId: 0 }]),
  row('InvalidArgument', 'STORE_FIELD_INVALID', ['CreateStore', { store: { storeId: 7, minDigits: 20 } }]),
  row('InvalidArgument', 'UPDATE_MASK_INVALID', ['UpdateStore', { store: { storeId: 7 }, updateMask: 'nothing' }]),
  row('InvalidArgument', 'KEY_MISSING', ['GetAllocation', {}]),
  row('NotFound', 'STORE_NOT_FOUND', ['GetStore', { storeId: 70 }]),
  row('NotFound', 'ALLOCATION_NOT_FOUND', ['GetAllocation', { orderId: 1000 }]),
  row(
    'FailedPrecondition',
    'REQUEST_ID_MISMATCH',
    ['AllocateOrders', { storeId: 8, count: 2, requestId: 'a' }],
    ['AllocateOrders', { storeId: 8, count: 3, requestId: 'a' }],
  ),
  row('FailedPrecondition', 'FIRST_NUMBER_FIXED', allocate(9), [
    'UpdateStore',
    { store: { storeId: 9, firstNumber: 1 }, updateMask: 'firstNumber' },
  ]),
  row(
    'AlreadyExists',
    'STORE_EXISTS',
    ['CreateStore', { store: { storeId: 10 } }],
    ['CreateStore', { store: { storeId: 10 } }],
  ),
  row(
    'OutOfRange',
    'SEQUENCE_EXHAUSTED',
    ['CreateStore', { store: { storeId: 11, firstNumber: String(INT64_MAX) } }],
    allocate(11),
    allocate(11),
  ),
  row('Unauthenticated', 'TOKEN_INVALID', ['AllocateOrder', { storeId: 7 }, 'unknown']),
  row('PermissionDenied', 'VERB_FORBIDDEN', ['AllocateOrder', { storeId: 7 }, 'reader']),
  row('PermissionDenied', 'STORE_FORBIDDEN', ['GetStore', { storeId: 8 }, 'reader']),
  // A stream is refused as a call with one answer is.
  row('InvalidArgument', 'ORDER_ID_INVALID', ['WatchAllocations', { afterOrderId: -1 }]),
  row('PermissionDenied', 'STORE_FORBIDDEN', ['WatchAllocations', {}, 'reader']),
  fault('ResourceExhausted', 'QUEUE_FULL', allocate(7, 'second'), (fixture) => {
    const reopening = fixture.ledger.startReopening();
    const first = Promise.withResolvers<unknown>();
    fixture.allocator.enqueue(
      { storeId: 7n, count: 1, requestId: 'first', caller: 'shop' },
      { signal: { aborted: false }, origin: 'shop', resolve: first.resolve, reject: first.reject },
    );
    return () => (reopening.resolve(), first.promise);
  }),
  fault('ResourceExhausted', 'LEDGER_FULL', allocate(7, 'full'), (fixture) => fixture.ledger.failNext('ledger full')),
  fault('Unavailable', 'OUTCOME_UNKNOWN', allocate(7, 'unknown'), (fixture) =>
    fixture.ledger.failNext('not persisted'),
  ),
  fault('Unavailable', 'LEDGER_REOPENING', ['ListAllocations', {}], (fixture) => {
    const reopening = fixture.ledger.startReopening();
    return async () => {
      reopening.resolve();
      await fixture.ledger.ready();
    };
  }),
  fault('DataLoss', 'LEDGER_DAMAGED', ['GetStore', { storeId: 7 }], (fixture) => {
    vi.spyOn(fixture.ledger.reads, 'getStore').mockRejectedValueOnce(ledgerUnreadable(new Error('damage')));
  }),
  fault('Internal', 'INTERNAL', ['GetStore', { storeId: 7 }], (fixture) => {
    vi.spyOn(fixture.ledger.reads, 'getStore').mockRejectedValueOnce(new Error('the inside'));
  }),
  // The last one: the server does not come back from it.
  fault('Unavailable', 'DRAINING', allocate(7, 'late'), (fixture) => void fixture.allocator.drain(0)),
];

/** Only one carrier can have these, or only a server with a setting; tests of their own have them. */
const ELSEWHERE: readonly Reason[] = ['REQUEST_MALFORMED', 'REQUEST_ID_REQUIRED', 'CANCELLED'];

it('every row of the table of statuses is the same over gRPC, Connect in JSON and gRPC-Web', async () => {
  const { fixture, carriers } = await serve();
  for (const { code, reason, steps, provoke } of ROWS) {
    const found: Record<string, unknown> = {};
    for (const [name, transport] of Object.entries(carriers)) {
      for (const step of steps.slice(0, -1)) await call(transport, step).catch(() => {});
      const end = provoke?.(fixture);
      found[name] = await call(transport, steps.at(-1)!).then(
        () => 'OK',
        (error: unknown) => refusalIn(error),
      );
      if (end) await end();
    }
    expect(found['gRPC']).toMatchObject({ code, reason, domain: 'orders.v1' });
    expect([reason, found]).toEqual([
      reason,
      Object.fromEntries(Object.keys(found).map((name) => [name, found['gRPC']])),
    ]);
  }
  const covered = [...ROWS.map(({ reason }) => reason), ...ELSEWHERE];
  expect([...new Set(covered)].toSorted()).toEqual(Object.keys(REASONS).toSorted());
});

/** Each method, on a ledger where store 7 has the order_ids 1 to 3. */
const METHODS: readonly Step[] = [
  allocate(7, 'a'),
  ['AllocateOrders', { storeId: 7, count: 2, requestId: 'b' }],
  ['BatchAllocateOrders', { requests: [{ storeId: 7, count: 1, requestId: 'a' }, { storeId: 0 }] }],
  ['GetAllocation', { orderNumber: { storeId: 7, orderNumber: 102 } }],
  ['ListAllocations', { pageSize: 1 }],
  ['WatchAllocations', { afterOrderId: 0 }],
  ['UpdateStore', { store: { storeId: 7, prefix: 'W' }, updateMask: 'prefix' }],
  ['GetStore', { storeId: 7 }],
  ['ListStores', {}],
  ['VerifyLedger', {}],
  ['WatchServer', {}],
];

it('every method gives the same answers over gRPC, Connect in JSON and gRPC-Web', async () => {
  const { carriers } = await serve();
  const { gRPC } = carriers;
  for (const step of METHODS.slice(0, 2)) await call(gRPC, step);
  for (const step of METHODS) {
    const found: Record<string, unknown> = {};
    for (const [name, transport] of Object.entries(carriers)) {
      const messages = await call(transport, step);
      // What a server does changes from second to second.
      found[name] = step[0] === 'WatchServer' ? messages.map((message) => Object.keys(message as object)) : messages;
    }
    expect([step[0], found]).toEqual([step[0], Object.fromEntries(Object.keys(found).map((n) => [n, found['gRPC']]))]);
  }
  // This one can succeed once only.
  for (const [i, transport] of Object.values(carriers).entries()) {
    const store = { storeId: String(20 + i), firstNumber: '9007199254740993' };
    expect(await call(transport, ['CreateStore', { store }])).toMatchObject([{ store: { ...store } }]);
  }
  const called = [...METHODS.map(([method]) => method), 'CreateStore'];
  expect(called.toSorted()).toEqual(service.methods.map(({ name }) => name).toSorted());
});

it('every method asks for its verb on every carrier, whatever else the caller may do', async () => {
  const { fixture, carriers } = await serve();
  const called: Step[] = [...METHODS, ['CreateStore', { store: { storeId: 30 } }]];
  for (const [name, request] of called) {
    const { verb } = fixture.options.methods[service.methods.find((one) => one.name === name)!.localName]!.method;
    for (const [carrier, transport] of Object.entries(carriers)) {
      const refusal = await call(transport, [name, request, `all but ${verb}`]).catch(refusalIn);
      expect([name, carrier, refusal]).toMatchObject([name, carrier, { reason: 'VERB_FORBIDDEN' }]);
    }
  }
  expect(fixture.disk.rows).toEqual([]);
});

it('REQUEST_ID_REQUIRED is the same on every carrier', async () => {
  const { carriers } = await serve({ requireRequestId: true });
  for (const transport of Object.values(carriers)) {
    const error = await call(transport, allocate(7)).catch(refusalIn);
    expect(error).toMatchObject({ code: 'InvalidArgument', reason: 'REQUEST_ID_REQUIRED' });
  }
});

/** Callers by their tokens. */
const CALLERS: Authenticator = {
  authenticate({ authorization }) {
    if (authorization === 'Bearer unknown') throw tokenUnknown();
    if (authorization === 'Bearer reader') return { name: 'reader', verbs: new Set(['read']), stores: new Set([7n]) };
    const lacking = /^Bearer all but (.+)$/.exec(authorization ?? '')?.[1];
    const verbs = new Set([...EVERY_VERB].filter((verb) => verb !== lacking));
    return { name: 'shop', verbs, stores: 'all' };
  },
};

/** One set of methods, by every carrier. */
async function serve(options: Parameters<typeof HttpFixture.open>[0] = {}) {
  const fixture = await HttpFixture.open({ maxQueue: 1, ...options }, { authenticator: CALLERS });
  const { methods } = fixture.options;
  const grpc = await startGrpcServer({ host: '127.0.0.1', port: 0 }, methods, fixture.options);
  onTestFinished(() => grpc.close(0));
  const http = { baseUrl: fixture.url, httpVersion: '1.1', jsonOptions: { registry } } as const;
  const carriers = {
    gRPC: createGrpcTransport({ baseUrl: `http://127.0.0.1:${grpc.address.port}` }),
    'Connect in JSON': createConnectTransport({ ...http, useBinaryFormat: false }),
    'Connect in binary': createConnectTransport({ ...http, useBinaryFormat: true }),
    'gRPC-Web': createGrpcWebTransport({ ...http, useBinaryFormat: true }),
    'gRPC-Web in JSON': createGrpcWebTransport({ ...http, useBinaryFormat: false }),
  };
  return { fixture, carriers };
}

/** The messages of the answer in JSON; the first ones of a stream without end. */
async function call(transport: Transport, [name, request, token = 'shop']: Step): Promise<JsonValue[]> {
  const method = service.methods.find((one) => one.name === name)!;
  const leave = new AbortController();
  const headers = { authorization: `Bearer ${token}` };
  const input = fromJson(method.input, request);
  const inJson = (message: Message) => toJson(method.output, message, { registry });
  if (isUnary(method)) {
    return [inJson((await transport.unary(method, leave.signal, undefined, headers, input)).message)];
  }
  const sent = (async function* () {
    yield input;
  })();
  const { message } = await transport.stream(method as DescMethodStreaming, leave.signal, undefined, headers, sent);
  const messages: JsonValue[] = [];
  const most = name === 'VerifyLedger' ? Infinity : 1;
  for await (const one of message) {
    if (messages.push(inJson(one)) >= most) break;
  }
  leave.abort();
  return messages;
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === 'unary';
}

/** All that an error says. */
function refusalIn(thrown: unknown) {
  const error = ConnectError.from(thrown);
  const details = DETAILS.flatMap((desc) => error.findDetails(desc).map((detail) => toJson(desc, detail)));
  // The forms of a message differ in size.
  const message = error.rawMessage.replace(/of \d+ bytes/, 'of … bytes');
  const { reason, domain } = details[0] as { readonly reason: string; readonly domain: string };
  return { code: Code[error.code], message, reason, domain, details, key: keyIn(error) };
}

/** The request_id in the trailing metadata. */
function keyIn({ metadata }: ConnectError): string | null {
  return metadata.get('request-id');
}
