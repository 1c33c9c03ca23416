import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startHttpServer } from '../../../src/server/http/http-server.ts';
import { HttpFixture, ORDER_PATH, orderRequest } from './http-fixture.ts';

const HEADERS_TIMEOUT_MS = 10_000;

describe('malformed HTTP', () => {
  it.each([
    ['garbage', Buffer.alloc(1000, 0xaa), 400, 'BAD_REQUEST'],
    ['TLS', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]), 400, 'BAD_REQUEST'],
    [
      'a bad length',
      Buffer.from(`POST ${ORDER_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n`),
      400,
      'BAD_REQUEST',
    ],
    [
      'large headers',
      Buffer.from(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`),
      431,
      'HEADERS_TOO_LARGE',
    ],
  ])('%s is refused in JSON and ends that connection alone', async (_name, bytes, code, reason) => {
    const fixture = await HttpFixture.open();
    const connection = await fixture.connect();
    connection.send(bytes);
    const answer = await connection.answer();
    expect([answer.code, JSON.parse(answer.body)]).toMatchObject([code, { message: expect.any(String), reason }]);
    expect(answer.headers).toMatchObject({ connection: 'close' });
    await connection.closed;
    expect((await fixture.order(7)).code).toBe(200);
  });

  it('P7: is never answered in place of the request in flight before it', async () => {
    const fixture = await HttpFixture.open();
    const held = fixture.ledger.holdNext();
    const connection = await fixture.connect();
    connection.send(orderRequest('{"store_id": 7}', 'Idempotency-Key: cart-1'));
    await held.begun;
    connection.send('garbage\r\n\r\n');
    await connection.closed;
    expect(connection.received).toBe('');
    held.release();
    expect((await fixture.order(7, { 'idempotency-key': 'cart-1' })).headers['idempotency-replayed']).toBe('true');
  });

  it('P6: in a truncated body burns nothing', async () => {
    const fixture = await HttpFixture.open();
    const connection = await fixture.connect();
    connection.send(
      `POST ${ORDER_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n`,
    );
    connection.send('{"store_id": 7}');
    connection.socket.end();
    await connection.closed;
    expect((await fixture.order(8)).body).toBe('{"OrderID":1,"OrderNumber":100,"StoreID":8}');
    expect(fixture.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });

  it('from a client that never finishes is cut off, with 408 if it began; a client that waits for its answer is not', async () => {
    const fixture = await HttpFixture.open();
    const held = fixture.ledger.holdNext();
    const started = performance.now();
    const [waiting, slow, silent] = [await fixture.connect(), await fixture.connect(), await fixture.connect()];
    waiting.send(orderRequest('{"store_id": 7}'));
    await held.begun;
    slow.send(`POST ${ORDER_PATH} HTTP/1.1\r\nHost: localhost\r\n`);
    await Promise.all([slow.closed, silent.closed]);
    expect(performance.now() - started).toBeGreaterThan(HEADERS_TIMEOUT_MS - 1000);
    const { code, body } = await slow.answer();
    expect([code, JSON.parse(body)]).toMatchObject([408, { reason: 'REQUEST_TIMEOUT' }]);
    held.release();
    expect(await waiting.answer()).toMatchObject({ code: 200, headers: { connection: 'keep-alive' } });
  });
});

describe('stopping', () => {
  it('P6: accepts no new connection, answers requests on open ones, and announces that it closes', async () => {
    const fixture = await HttpFixture.open();
    const [idle, busy] = [await fixture.connect(), await fixture.connect()];
    idle.send(orderRequest('{"store_id": 7}'));
    expect((await idle.answer()).headers['connection']).toBe('keep-alive');
    const held = fixture.ledger.holdNext();
    busy.send(orderRequest('{"store_id": 7}'));
    await held.begun;

    fixture.server.stopAccepting();
    const drained = fixture.allocator.drain(5000);
    const late = connect(fixture.port, '127.0.0.1');
    const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
    idle.send(orderRequest('{"store_id": 7}'));
    const refused = (await idle.answers(2))[1]!;
    expect(refused).toMatchObject({ code: 503, headers: { connection: 'close' } });
    expect(JSON.parse(refused.body)).toMatchObject({ reason: 'DRAINING' });
    await idle.closed;

    held.release();
    expect(await busy.answer()).toMatchObject({
      code: 200,
      headers: { connection: 'close' },
      body: '{"OrderID":2,"OrderNumber":101,"StoreID":7}',
    });
    await busy.closed;
    expect(await drained).toBe(true);
    await fixture.server.close(60_000);
  });

  it('ends idle connections at once, even silent ones, and waits for those with a request in flight', async () => {
    const fixture = await HttpFixture.open();
    const [silent, idle, busy] = [await fixture.connect(), await fixture.connect(), await fixture.connect()];
    idle.send(orderRequest('{"store_id": 7}'));
    await idle.answer();
    const held = fixture.ledger.holdNext();
    busy.send(orderRequest('{"store_id": 7}'));
    await held.begun;
    const closed = fixture.server.close(60_000);
    await Promise.all([silent.closed, idle.closed]);
    held.release();
    expect(await busy.answer()).toMatchObject({ code: 200, headers: { connection: 'close' } });
    await closed;
  });

  it('ends remaining connections by force', async () => {
    const fixture = await HttpFixture.open();
    const held = fixture.ledger.holdNext();
    const [busy, slow] = [await fixture.connect(), await fixture.connect()];
    busy.send(orderRequest('{"store_id": 7}'));
    slow.send('POST ');
    await held.begun;
    await fixture.server.close(50);
    await Promise.all([busy.closed, slow.closed]);
    expect(busy.received).toBe('');
    held.release();
    await vi.waitUntil(() => fixture.ended.length === 1);
  });

  it('can be requested twice', async () => {
    const fixture = await HttpFixture.open();
    fixture.server.stopAccepting();
    fixture.server.stopAccepting();
    await Promise.all([fixture.server.close(50), fixture.server.close(50)]);
    await expect(fixture.server.close(0)).resolves.toBeUndefined();
  });
});

it('an address in use is an error', async () => {
  const fixture = await HttpFixture.open();
  const again = startHttpServer({ ...fixture.options, address: fixture.server.address });
  onTestFinished(() => again.then((server) => server.close(0)).catch(() => {}));
  await expect(again).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

it('an idle connection is kept open as long as its setting says, and the answer announces it', async () => {
  const fixture = await HttpFixture.open();
  const server = await startHttpServer({ ...fixture.options, idleTimeoutMs: 660_000 });
  onTestFinished(() => server.close(0));
  const { headers } = await fetch(`http://127.0.0.1:${server.address.port}/healthz`);
  expect(headers.get('keep-alive')).toBe('timeout=660');
});
