import { connect } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createLogTo } from '../../../src/server/log/log.ts';
import { FailedAttempts } from '../../../src/server/security/failed-attempts.ts';
import { KnownCallers } from '../../support/security/known-callers.ts';
import { callConnect, reasonOf } from './connect/connect-client.ts';
import { BATCH_PATH, HttpFixture, ORDER_PATH, orderRequest, RawConnection } from './http-fixture.ts';

const REFUSED = { message: 'nobody known', reason: 'TOKEN_INVALID' };
const MAX_BODY_BYTES = 64 * 1024;

describe('a request without valid credentials', () => {
  it('is 401, and says how to authenticate', async () => {
    const { fixture } = await openGuarded();
    for (const headers of [{}, { authorization: 'Bearer nobody' }, { authorization: 'Basic c2hvcA==' }]) {
      const answer = await fixture.order(7, { ...headers, 'idempotency-key': 'cart-1' });
      expect([answer.code, JSON.parse(answer.body)]).toEqual([401, REFUSED]);
      expect(answer.headers['www-authenticate']).toBe('Bearer');
      expect(answer.headers['content-type']).toMatch(/^application\/json/);
      expect(answer.headers['idempotency-key']).toBeUndefined();
    }
    expect(fixture.allocator.signals).toEqual([]);
    expect(fixture.ended).toEqual(Array.from({ length: 3 }, () => ['http', 'generateOrderNumber', 'TOKEN_INVALID']));
  });

  it('is told the same by the methods in JSON', async () => {
    const { fixture } = await openGuarded();
    const { status, headers, json } = await callConnect(fixture, 'AllocateOrder', { storeId: 7 });
    expect([status, headers['www-authenticate'], reasonOf(json)]).toEqual([401, 'Bearer', 'TOKEN_INVALID']);
  });

  it('is answered before its body has come, whatever that will be', async () => {
    const { fixture } = await openGuarded();
    const heads = ['Content-Length: 64000', 'Content-Length: 100000000', 'Transfer-Encoding: chunked'];
    for (const head of [...heads, 'Content-Length: 5\r\nContent-Type: text/plain']) {
      const connection = await fixture.connect();
      connection.send(`POST ${ORDER_PATH} HTTP/1.1\r\nHost: localhost\r\n${head}\r\n\r\n`);
      expect((await connection.answer()).code).toBe(401);
    }
  });

  it('leaves its connection usable: what is left of the body is dropped', async () => {
    const { fixture, callers } = await openGuarded();
    callers.add('shop');
    const connection = await fixture.connect();
    connection.send(orderRequest('x'.repeat(MAX_BODY_BYTES)));
    connection.send(orderRequest('{"store_id": 7}', 'Authorization: Bearer shop'));
    const answers = await connection.answers(2);
    expect(answers.map(({ code }) => code)).toEqual([401, 200]);
  });

  it('is refused for them before anything else that is wrong with it', async () => {
    const { fixture } = await openGuarded();
    const wrong = [
      fixture.post('not JSON'),
      fixture.post('{"store_id": 7}', { 'content-type': 'text/plain' }),
      fixture.post('x'.repeat(2 * MAX_BODY_BYTES)),
      fixture.post('{"store_id": 7}', { 'idempotency-key': 'with a space' }),
    ];
    expect((await Promise.all(wrong)).map(({ code }) => code)).toEqual([401, 401, 401, 401]);
  });
});

describe('a request with valid credentials', () => {
  it('is numbered under the name that they prove', async () => {
    const { fixture, callers } = await openGuarded();
    callers.add('shop');
    const claims = { caller: 'boss', 'x-caller': 'boss', from: 'boss', 'x-forwarded-user': 'boss' };
    expect((await fixture.order(7, { authorization: 'Bearer shop', ...claims })).code).toBe(200);
    expect(fixture.disk.rows).toMatchObject([{ caller: 'shop' }]);
  });

  it('but without the verb is 403, before its body is read', async () => {
    const { fixture, callers } = await openGuarded();
    callers.add('reader', { verbs: new Set(['read', 'manage', 'verify', 'metrics']) });
    const answer = await fixture.post('not JSON', { authorization: 'Bearer reader' });
    expect([answer.code, JSON.parse(answer.body)]).toEqual([
      403,
      {
        message: 'generateOrderNumber needs the verb allocate, which reader does not have',
        reason: 'VERB_FORBIDDEN',
      },
    ]);
    expect(answer.headers['www-authenticate']).toBeUndefined();
  });

  it('but for a store of others is 403, once its body and key are valid', async () => {
    const { fixture, callers } = await openGuarded();
    callers.add('shop', { stores: new Set([7n]) });
    const ask = (body: string, key = 'cart-1') =>
      fixture.post(body, { authorization: 'Bearer shop', 'idempotency-key': key });
    expect(await ask('{"store_id": 8}')).toMatchObject({
      code: 403,
      body: JSON.stringify({ message: 'shop has no access to store 8', reason: 'STORE_FORBIDDEN' }),
      headers: { 'idempotency-key': 'cart-1' },
    });
    expect((await ask('{"store_id": 0}')).code).toBe(400);
    expect((await ask('{"store_id": 8}', 'with a space')).code).toBe(400);
    expect((await ask('{"store_id": 7}')).code).toBe(200);
    expect(fixture.disk.rows).toMatchObject([{ storeId: 7n, requestId: 'cart-1' }]);
  });
});

it('a token that ends between the headers of a request and its body allocates nothing', async () => {
  const { fixture, callers } = await openGuarded();
  callers.add('shop');
  const connection = await fixture.connect();
  const request = orderRequest('{"store_id": 7}', 'Authorization: Bearer shop');
  connection.send(request.subarray(0, -1));
  await vi.waitUntil(() => callers.asked.length === 1);
  callers.revoke('shop');
  connection.send(request.subarray(-1));
  const { code, body } = await connection.answer();
  expect([code, JSON.parse(body)]).toEqual([401, REFUSED]);
  expect(fixture.allocator.signals).toEqual([]);
});

it('nor does one that ends between the headers of a batch and its body', async () => {
  const { fixture, callers } = await openGuarded();
  callers.add('shop');
  const connection = await fixture.connect();
  const request = orderRequest('[{"store_id": 7}]', 'Authorization: Bearer shop').toString('latin1');
  const batch = request.replace(ORDER_PATH, BATCH_PATH);
  connection.send(batch.slice(0, -1));
  await vi.waitUntil(() => callers.asked.length === 1);
  callers.revoke('shop');
  connection.send(batch.slice(-1));
  const { code, body } = await connection.answer();
  expect([code, JSON.parse(body)]).toEqual([401, REFUSED]);
  expect(fixture.disk.rows).toEqual([]);
});

it('/healthz and /readyz are open, and so is what is not served', async () => {
  const { fixture, callers } = await openGuarded();
  const paths = ['/healthz', '/readyz', '/', '/api/other'];
  const answers = await Promise.all(paths.map((path) => fixture.ask(path)));
  expect(answers.map(({ code }) => code)).toEqual([200, 200, 200, 404]);
  expect((await fixture.ask(ORDER_PATH)).code).toBe(405);
  expect(callers.asked).toEqual([]);
});

it('an address whose credentials keep failing gets the same answers, but loses its connection each time', async () => {
  const { fixture, callers } = await openGuarded(new FailedAttempts({ burst: 2, perSecond: 0, addresses: 10 }));
  callers.add('shop');
  for (const keepsConnection of [true, true, false, false]) {
    const connection = await fixture.connect();
    // In two parts: the connection must not be reset while the client sends.
    const request = orderRequest('x'.repeat(MAX_BODY_BYTES), 'Authorization: Bearer guess');
    connection.send(request.subarray(0, 1000));
    connection.send(request.subarray(1000));
    const { code, headers, body } = await connection.answer();
    expect([code, JSON.parse(body), headers['connection']]).toEqual([
      401,
      REFUSED,
      keepsConnection ? 'keep-alive' : 'close',
    ]);
    await (keepsConnection ? undefined : connection.closed);
  }
  expect(fixture.log).toHaveLength(2);
  expect(fixture.ended).toHaveLength(4);
  for (let i = 0; i < 5; i++) {
    const { code, headers } = await fixture.order(7, { authorization: 'Bearer shop' });
    expect([code, headers['connection']]).toEqual([200, 'keep-alive']);
  }
});

it('a connection over which valid credentials came stays, however many of its others fail', async () => {
  const { fixture, callers } = await openGuarded(new FailedAttempts({ burst: 1, perSecond: 0, addresses: 10 }));
  callers.add('shop');
  const connection = await fixture.connect();
  const names = ['shop', 'guess', 'guess', 'shop', 'guess', 'shop'];
  for (const name of names) connection.send(orderRequest('{"store_id": 7}', `Authorization: Bearer ${name}`));
  const answers = await connection.answers(names.length);
  expect(answers.map(({ code }) => code)).toEqual([200, 401, 401, 200, 401, 200]);
  expect(new Set(answers.map(({ headers }) => headers['connection']))).toEqual(new Set(['keep-alive']));
});

it('the log tells of the failed authentications of each address', async () => {
  const peers: string[] = [];
  const { logger } = createLogTo('info', (line) => peers.push(String((JSON.parse(line) as { peer: unknown }).peer)));
  const fixture = await HttpFixture.open({}, { authenticator: new KnownCallers(), logger });
  for (const localAddress of ['127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.2']) {
    const socket = connect({ port: fixture.port, host: '127.0.0.1', localAddress });
    onTestFinished(() => void socket.destroy());
    const connection = new RawConnection(socket);
    connection.send(orderRequest('{"store_id": 7}'));
    expect((await connection.answer()).code).toBe(401);
  }
  expect(peers.map((peer) => peer.split(':')[0])).toEqual(['127.0.0.1', '127.0.0.2']);
});

async function openGuarded(failedAttempts = new FailedAttempts()) {
  const callers = new KnownCallers();
  return { fixture: await HttpFixture.open({}, { authenticator: callers, failedAttempts }), callers };
}
