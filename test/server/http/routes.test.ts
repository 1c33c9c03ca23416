import { METHODS } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startHttpServer } from '../../../src/server/http/http-server.ts';
import { BATCH_PATH, HttpFixture, ORDER_PATH, orderRequest } from './http-fixture.ts';

const MAX_BODY_BYTES = 64 * 1024;

describe('health', () => {
  it('/healthz answers while the process runs, /readyz while it can number', async () => {
    const fixture = await HttpFixture.open();
    expect(await fixture.ask('/healthz')).toMatchObject({ code: 200, body: '{"status":"ok"}' });
    expect(await fixture.ask('/readyz')).toMatchObject({ code: 200, body: '{"status":"ok"}' });
    fixture.isServing = false;
    expect(await fixture.ask('/healthz')).toMatchObject({ code: 200, body: '{"status":"ok"}' });
    expect(await fixture.ask('/readyz')).toMatchObject({ code: 503, body: '{"status":"not serving"}' });
    expect(fixture.log).toEqual([]);
  });

  it('HEAD answers the same', async () => {
    const fixture = await HttpFixture.open();
    const method = 'HEAD';
    expect(await fixture.ask('/healthz', { method })).toMatchObject({ code: 200, body: '' });
    expect(await fixture.ask('/readyz', { method })).toMatchObject({ code: 200, body: '' });
    fixture.isServing = false;
    expect(await fixture.ask('/readyz', { method })).toMatchObject({ code: 503, body: '' });
  });

  it('P10: /healthz and /readyz answer while a commit hangs', async () => {
    const fixture = await HttpFixture.open();
    const held = fixture.ledger.holdNext();
    const order = fixture.order(7);
    await held.begun;
    expect((await fixture.ask('/healthz')).code).toBe(200);
    expect((await fixture.ask('/readyz')).code).toBe(200);
    held.release();
    expect((await order).code).toBe(200);
  });
});

describe('what is not served', () => {
  it.each([
    '/console',
    '/console/',
    '/console/tsconfig.json',
    '/console/%2e%2e/page-files.ts',
    '/api',
    '/api/generateordernumber',
    `${ORDER_PATH}/`,
    `/${ORDER_PATH}`,
    `${BATCH_PATH}s`,
    '/%zz',
    '/%c0%ae',
    '/healthz/..%2f',
    '/__proto__',
  ])('%s is 404', async (path) => {
    const fixture = await HttpFixture.open();
    for (const method of ['GET', 'POST']) {
      const connection = await fixture.connect();
      connection.send(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`);
      const { code, headers, body } = await connection.answer();
      expect([code, JSON.parse(body)]).toEqual([
        404,
        { message: expect.stringContaining('/openapi.json'), reason: 'NOT_FOUND' },
      ]);
      expect(headers['content-type']).toMatch(/^application\/json/);
      expect(body).not.toContain(path);
    }
  });

  it('another method is 405 with the allowed one, whatever its body', async () => {
    const fixture = await HttpFixture.open();
    const others = METHODS.filter((method) => !['POST', 'HEAD', 'CONNECT'].includes(method));
    for (const method of others) {
      const connection = await fixture.connect();
      connection.send(
        `${method} ${ORDER_PATH}?x HTTP/1.1\r\nHost: localhost\r\nContent-Type: ;;\r\nContent-Length: 2\r\n\r\n{}`,
      );
      const { code, headers, body } = await connection.answer();
      expect([method, code, headers['allow']]).toEqual([method, 405, 'POST']);
      expect(JSON.parse(body)).toEqual({ message: expect.any(String), reason: 'METHOD_NOT_ALLOWED' });
    }
    const head = await fixture.ask(ORDER_PATH, { method: 'HEAD' });
    expect([head.code, head.headers['allow'], head.body]).toEqual([405, 'POST', '']);
    const post = await fixture.ask('/healthz', { method: 'POST', body: '{}' });
    expect([post.code, post.headers['allow']]).toEqual([405, 'GET, HEAD']);
    expect(fixture.ledger.batches).toEqual([]);
  });
});

it('an unforeseen error reveals nothing but that it happened', async () => {
  const fixture = await HttpFixture.open();
  const server = await startHttpServer({ ...fixture.options, isServing: throwUnforeseen });
  onTestFinished(() => server.close(0));
  const answer = await fetch(`http://127.0.0.1:${server.address.port}/readyz`);
  expect([answer.status, await answer.json()]).toEqual([
    500,
    { message: 'unexpected server error', reason: 'INTERNAL' },
  ]);
  expect(JSON.stringify([...answer.headers])).not.toContain('secret');
  expect(fixture.log).toMatchObject([{ reason: 'INTERNAL', path: '/readyz', err: { message: 'disk /var/secret' } }]);
});

describe('a body', () => {
  it(`of ${MAX_BODY_BYTES} bytes is read, one byte longer is 413`, async () => {
    const fixture = await HttpFixture.open();
    expect((await fixture.post(padded(MAX_BODY_BYTES))).code).toBe(200);
    const { code, headers, body } = await fixture.post(padded(MAX_BODY_BYTES + 1));
    expect([code, JSON.parse(body)]).toEqual([413, { message: expect.any(String), reason: 'PAYLOAD_TOO_LARGE' }]);
    expect(headers['content-type']).toMatch(/^application\/json/);
    expect(fixture.disk.rows).toHaveLength(1);
    expect(fixture.log).toMatchObject([{ reason: 'PAYLOAD_TOO_LARGE', path: ORDER_PATH }]);
  });

  it('that is far too large still gets its answer, announced or in chunks', async () => {
    const fixture = await HttpFixture.open();
    expect((await fixture.post(Buffer.alloc(8 * 1024 * 1024))).code).toBe(413);
    const connection = await fixture.connect();
    connection.send(`POST ${ORDER_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`);
    connection.send('Transfer-Encoding: chunked\r\n\r\n');
    for (let i = 0; i < 20; i++) connection.send(`4000\r\n${' '.repeat(0x4000)}\r\n`);
    connection.send('0\r\n\r\n');
    connection.send(orderRequest('{"store_id": 7}'));
    const answers = await connection.answers(2);
    expect(answers.map(({ code }) => code)).toEqual([413, 200]);
  });

  it.each([
    'application/x-www-form-urlencoded',
    'text/plain',
    'text/plain;charset=UTF-8',
    'application/jsonx',
    'application/problem+json',
    'multipart/form-data; boundary=x',
    'json',
    ';',
    '',
  ])('of the type %j is 415', async (type) => {
    const fixture = await HttpFixture.open();
    const connection = await fixture.connect();
    connection.send(
      `POST ${ORDER_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: 14\r\n\r\n{"store_id":7}`,
    );
    const { code, headers, body } = await connection.answer();
    expect([code, JSON.parse(body)]).toEqual([415, { message: expect.any(String), reason: 'UNSUPPORTED_MEDIA_TYPE' }]);
    expect(headers['content-type']).toMatch(/^application\/json/);
    expect(fixture.ledger.batches).toEqual([]);
    expect(fixture.log).toMatchObject([{ reason: 'UNSUPPORTED_MEDIA_TYPE' }]);
  });

  it('of no type is 415', async () => {
    const fixture = await HttpFixture.open();
    const connection = await fixture.connect();
    connection.send(`POST ${ORDER_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n{"store_id":7}`);
    expect((await connection.answer()).code).toBe(415);
  });
});

/** A good body of so many bytes. */
function padded(bytes: number): string {
  const frame = '{"store_id":7,"pad":""}';
  return frame.replace('""', `"${'x'.repeat(bytes - frame.length)}"`);
}

function throwUnforeseen(): never {
  throw Object.assign(new Error('disk /var/secret'), { statusCode: 418, headers: { 'x-secret': 'secret' } });
}
