import { once } from 'node:events';
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { newToken } from '../../../src/server/security/token-text.ts';
import type { GetAllocationRequest } from '../../../src/wire/gen/orders/v1/orders.ts';
import { OrderNumberServiceService } from '../../../src/wire/gen/orders/v1/orders.ts';
import { GrpcClient } from '../../support/clients/grpc-client.ts';
import { errorDetails, failureOf } from '../../support/clients/orders-client.ts';
import type { Engine } from '../../support/engines/engines.ts';
import { ENGINES } from '../../support/engines/engines.ts';
import { framed } from '../../support/network/hostile-client.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import { entryOf, writeTokens } from '../../support/security/tokens.ts';
import { GuardedFixture } from '../grpc/guarded-fixture.ts';

/** Exists, with the order_id 2 and the request_id `taken`, but is none of the caller's. */
const FOREIGN = 8n;
/** Does not exist. */
const NOWHERE = 9n;

const style = { prefix: '', suffix: '', minDigits: 0, firstNumber: undefined, nextNumber: 0n, createTime: undefined };
const list = { pageSize: 0, pageToken: '', newestFirst: false };

/** Each call that names a store. */
const CALLS: readonly (readonly [
  method: keyof typeof OrderNumberServiceService,
  request: (store: bigint) => object,
])[] = [
  ['allocateOrder', (storeId) => ({ storeId, requestId: 'taken' })],
  ['allocateOrders', (storeId) => ({ storeId, count: 1, requestId: '' })],
  ['listAllocations', (storeId) => ({ ...list, storeId })],
  ['watchAllocations', (storeId) => ({ storeId, afterOrderId: 0n })],
  ['getStore', (storeId) => ({ storeId })],
  ['createStore', (storeId) => ({ store: { ...style, storeId } })],
  ['updateStore', (storeId) => ({ store: { ...style, storeId }, updateMask: ['prefix'] })],
  ['verifyLedger', (storeId) => ({ storeId })],
];

describe.each(ENGINES)('a token for some stores, on $name', (engine) => {
  it('is refused for a store of others in the same bytes as for one that does not exist', async () => {
    const { address, session, http, limited, all } = await serve(engine);
    for (const [method, request] of CALLS) {
      const [foreign, nowhere] = await Promise.all(
        [FOREIGN, NOWHERE].map((store) => rawAnswer(session, limited, method, request(store))),
      );
      expect([method, foreign]).toEqual([method, nowhere]);
      expect([method, foreign!['grpc-status']]).toEqual([method, String(status.PERMISSION_DENIED)]);
    }
    const [foreign, nowhere] = await Promise.all([FOREIGN, NOWHERE].map((store) => post(http, limited, store)));
    expect(foreign).toEqual(nowhere);
    expect(foreign).toMatchObject({ code: 403, body: expect.stringContaining('STORE_FORBIDDEN') });
    const client = new GrpcClient(address, limited);
    const batch = [7n, FOREIGN, NOWHERE].map((storeId) => ({ storeId, count: 1, requestId: 'taken' }));
    const [own, ...others] = await client.batch(...batch);
    expect(own?.$case).toBe('response');
    const [one, other] = others.map((result) => withoutDigits(Buffer.from(JSON.stringify(result)).toString('latin1')));
    expect(others[0]).toMatchObject({ $case: 'status', value: { code: status.PERMISSION_DENIED } });
    expect(one).toBe(other);
    // Nothing else was created, and no number burned.
    const { allocation } = await all.allocate(7n);
    expect(allocation.orderId).toBe(4n);
    expect((await all.call(all.stub.listStores, list)).stores.map(({ storeId }) => storeId)).toEqual([7n, FOREIGN]);
  });

  it('gets NOT_FOUND for an allocation of others, in the same bytes as for one that does not exist', async () => {
    const { session, limited } = await serve(engine);
    const keys: readonly ((id: bigint) => GetAllocationRequest['key'])[] = [
      (id) => ({ $case: 'orderId', value: id === FOREIGN ? 2n : NOWHERE }),
      (storeId) => ({ $case: 'orderNumber', value: { storeId, orderNumber: 100n } }),
      (storeId) => ({ $case: 'requestId', value: { storeId, requestId: 'taken' } }),
      // In its own store.
      (id) => ({ $case: 'requestId', value: { storeId: id === FOREIGN ? FOREIGN : 7n, requestId: 'taken' } }),
    ];
    for (const keyOf of keys) {
      const [foreign, nowhere] = await Promise.all(
        [FOREIGN, NOWHERE].map((id) => rawAnswer(session, limited, 'getAllocation', { key: keyOf(id) })),
      );
      expect(foreign).toEqual(nowhere);
      expect(foreign!['grpc-status']).toBe(String(status.NOT_FOUND));
    }
  });

  it('is told which stores it may name by a call that concerns all of them', async () => {
    const { address, limited, many } = await serve(engine);
    const client = new GrpcClient(address, limited);
    const watch = client.watch({});
    const calls = [
      failureOf(client.listAllocations()),
      once(watch, 'error').then(([error]) => error as Awaited<ReturnType<typeof failureOf>>),
      failureOf(client.verify()),
    ];
    for (const error of await Promise.all(calls)) {
      expect(error.details).toBe('limited has access only to some stores (7); name one of them in store_id (--store)');
      expect(errorDetails(error)).toMatchObject({ reason: 'STORE_FORBIDDEN', metadata: {} });
    }
    const listStores = await failureOf(client.call(client.stub.listStores, list));
    expect(listStores.details).toBe(
      'limited has access only to some stores (7); look one of them up with GetStore (stores get --store)',
    );
    const error = await failureOf(new GrpcClient(address, many).listAllocations());
    expect(error.details).toContain('only to some stores (1, 2, 3, 4, 5 and 995 more); name one of them');
  });

  it('cannot widen what it sees by a page token of another caller', async () => {
    const { address, limited, all } = await serve(engine);
    for (let i = 0; i < 3; i++) await all.allocate(7n + BigInt(i % 2));
    const client = new GrpcClient(address, limited);
    const ofAll = (await all.listAllocations({ pageSize: 1 })).nextPageToken;
    const ofForeign = (await all.listAllocations({ pageSize: 1, storeId: FOREIGN })).nextPageToken;
    const ofOwn = (await all.listAllocations({ pageSize: 1, storeId: 7n })).nextPageToken;
    const tries = [
      { pageToken: ofAll },
      { pageToken: ofForeign },
      { pageToken: ofForeign, storeId: FOREIGN },
      { pageToken: ofAll, storeId: 7n },
      { pageToken: ofForeign, storeId: 7n },
    ].map(
      async (request) => errorDetails(await failureOf(client.listAllocations({ pageSize: 1, ...request })))?.reason,
    );
    const [forbidden, invalid] = ['STORE_FORBIDDEN', 'PAGE_TOKEN_INVALID'];
    expect(await Promise.all(tries)).toEqual([forbidden, forbidden, forbidden, invalid, invalid]);
    const { allocations } = await client.listAllocations({ pageToken: ofOwn, storeId: 7n });
    expect(new Set(allocations.map(({ storeId }) => storeId))).toEqual(new Set([7n]));
  });

  it('is told of an invalid store_id as any other caller', async () => {
    const { address, limited } = await serve(engine);
    const client = new GrpcClient(address, limited);
    const invalid = await Promise.all(
      [
        client.allocate(0n),
        client.listAllocations({ storeId: -1n }),
        client.verify(0n),
        client.call(client.stub.getStore, { storeId: 0n }),
      ].map(failureOf),
    );
    expect(invalid.map((error) => errorDetails(error)?.reason)).toEqual(invalid.map(() => 'STORE_ID_INVALID'));
    const missing = failureOf(client.call(client.stub.createStore, { store: undefined }));
    expect(errorDetails(await missing)?.reason).toBe('STORE_FIELD_INVALID');
  });
});

it('an allocation of others that is asked for by its store is not even looked up', async () => {
  const { address, callers, ledger } = await GuardedFixture.open();
  callers.add('shop', { stores: new Set([7n]) });
  const getAllocation = vi.spyOn(ledger.reads, 'getAllocation');
  const client = new GrpcClient(address, 'shop');
  const keys: readonly GetAllocationRequest['key'][] = [
    { $case: 'orderNumber', value: { storeId: FOREIGN, orderNumber: 100n } },
    { $case: 'requestId', value: { storeId: FOREIGN, requestId: 'taken' } },
  ];
  for (const key of keys)
    expect(await failureOf(client.call(client.stub.getAllocation, { key }))).toMatchObject({ code: 5 });
  expect(getAllocation).not.toHaveBeenCalled();
});

/** Store 7 has the order_id 1, and the foreign one the next. */
async function serve(engine: Engine) {
  const tokens = join(testFolder(), 'tokens.json');
  const [limited, many, everything] = [newToken(), newToken(), newToken()];
  const stores = Array.from({ length: 1000 }, (_, i) => String(i + 1));
  writeTokens(
    tokens,
    entryOf(limited, { name: 'limited', stores: ['7'] }),
    entryOf(many, { name: 'many', stores }),
    entryOf(everything, { name: 'everything' }),
  );
  const server = new LocalServer(await engine.newLedger(), { args: ['--tokens', tokens] });
  const address = await server.serving();
  const all = new GrpcClient(address, everything);
  await all.allocate(7n);
  await all.allocate(FOREIGN, 1, 'taken');
  const session = connect(`http://${address}`);
  onTestFinished(() => session.destroy());
  return { address, session, http: String((await server.line('serving'))['http']), limited, many, all };
}

/** The headers of an answer that is a status alone, byte by byte, but for the time and the digits of ids. */
async function rawAnswer(
  session: ClientHttp2Session,
  token: string,
  method: keyof typeof OrderNumberServiceService,
  request: object,
): Promise<Record<string, unknown>> {
  const { path, requestSerialize } = OrderNumberServiceService[method];
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: `Bearer ${token}`,
  });
  stream.end(framed((requestSerialize as (message: object) => Buffer)(request)));
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  stream.resume();
  const { date: _date, 'grpc-message': message, 'grpc-status-details-bin': details, ...rest } = headers;
  const bytes = Buffer.from(String(details), 'base64').toString('latin1');
  return { ...rest, 'grpc-message': withoutDigits(String(message)), details: withoutDigits(bytes) };
}

async function post(http: string, token: string, storeId: bigint) {
  const answer = await fetch(`http://${http}/api/generateOrderNumber`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, 'idempotency-key': 'taken' },
    body: `{"store_id": ${storeId}}`,
  });
  const { date: _date, ...headers } = Object.fromEntries(answer.headers);
  return { code: answer.status, headers, body: withoutDigits(await answer.text()) };
}

/** Two of the same length stay so. */
function withoutDigits(text: string): string {
  return text.replaceAll(/\d/g, '#');
}
