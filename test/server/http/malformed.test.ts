import { describe, expect, it } from 'vitest';
import { storeIdOf, whyMalformed } from '../../../src/server/http/malformed.ts';
import { HttpFixture, orderRequest, ORDER_PATH } from './http-fixture.ts';

const GOOD: readonly [body: string, storeId: number][] = [
  ['{"store_id": 32913}', 32913],
  ['{"store_id":1}', 1],
  [' \n{"store_id"\t: 7}\r\n', 7],
  ['{"store_id":1e3}', 1000],
  ['{"store_id":1.5e1}', 15],
  ['{"store_id":50E-1}', 5],
  ['{"store_id":9007199254740990.0}', 9_007_199_254_740_990],
  ['{"store_id":7,"price":1.5}', 7],
  ['{"store_id":7,"line":{"store_id":1.5}}', 7],
  ['{"line":{"store_id":1.5},"store_id":7.0}', 7],
  ['{"store_id":5.0}', 5],
  ['{"store_id":50e-1}', 5],
  ['{"store_id":9007199254740991}', Number.MAX_SAFE_INTEGER],
  ['{"store_id":7,"name":"shop","nested":{"store_id":8}}', 7],
  ['{"store_id":"x","store_id":7}', 7],
  ['{"\\u0073tore_id":7}', 7],
  ['{"__proto__":{"store_id":1},"constructor":{"prototype":{"x":1}},"store_id":7}', 7],
];

const MALFORMED: readonly string[] = [
  '',
  ' ',
  '{',
  '{"store_id": 32913',
  '{"store_id": 32913}}',
  "{'store_id': 32913}",
  '{store_id: 32913}',
  '{"store_id": 32913,}',
  'store_id=32913',
  '\u0000',
  '{"store_id": 7}\u0000',
  '{"store_id": 7, "name": "a\u0000b"}',
  '\ufeff\ufeff{"store_id": 7}',
  '[]',
  '[{"store_id": 7}]',
  '"store_id"',
  '7',
  'null',
  'true',
  '{}',
  '{"storeId": 7}',
  '{"STORE_ID": 7}',
  '{"__proto__": {"store_id": 7}}',
  '{"constructor": {"prototype": {"store_id": 7}}}',
  '{"store_id": "32913"}',
  '{"store_id": ""}',
  '{"store_id": [7]}',
  '{"store_id": {"store_id": 7}}',
  '{"store_id": null}',
  '{"store_id": true}',
  '{"store_id": false}',
  '{"store_id": 0}',
  '{"store_id": -0}',
  '{"store_id": -1}',
  '{"store_id": 1.5}',
  '{"store_id": 1e-1}',
  '{"store_id": 1e400}',
  '{"store_id": -1e400}',
  '{"store_id": NaN}',
  '{"store_id": Infinity}',
  '{"store_id": 0x10}',
  '{"store_id": 007}',
  '{"store_id": +7}',
  '{"store_id": 7n}',
  '{"store_id": 9007199254740992}',
  '{"store_id": 9007199254740993}',
  '{"store_id": 9223372036854775807}',
  '{"store_id": 1e300}',
  '{"store_id": 9007199254740990.9}',
  '{"store_id": 1.0000000000000000001}',
  '{"store_id": 50000000000000000001e-19}',
  '{"store_id": 1.00000000000000000001e0}',
  '{"store_id": 7, "store_id": "x"}',
  '['.repeat(60_000),
  '{"a":'.repeat(12_000),
];

/** The sample's message comes first, as it was alone. */
const MALFORMED_BODY = expect.stringMatching(
  /^\{"message":"Malformed Request","reason":"STORE_ID_INVALID","detail":"[^{}]+(\{\\"store_id\\": 7\})?"\}$/,
) as string;

describe('the store_id of a body', () => {
  it.each(GOOD)('%j is %i', (body, storeId) => {
    expect(storeIdOf(body)).toBe(storeId);
  });

  it.each(MALFORMED.map((body) => [body.slice(0, 60), body]))('%j is malformed', (_name, body) => {
    expect(storeIdOf(body)).toBeUndefined();
  });

  it.each([undefined, null, 7, { store_id: 7 }])('a body that is not text, %j, is malformed', (body) => {
    expect(storeIdOf(body)).toBeUndefined();
  });
});

describe('a malformed request', () => {
  it('P6: is answered 400 with the sample’s message, keeps its connection, and burns nothing', async () => {
    const fixture = await HttpFixture.open();
    const connection = await fixture.connect();
    for (const body of MALFORMED) connection.send(orderRequest(body));
    connection.send(orderRequest('{"store_id": 7}'));
    const answers = await connection.answers(MALFORMED.length + 1);
    const refused = { code: 400, body: MALFORMED_BODY };
    expect(answers.slice(0, -1)).toMatchObject(MALFORMED.map(() => refused));
    for (const { headers } of answers.slice(0, -1)) {
      expect(headers['content-type']).toMatch(/^application\/json/);
      expect(headers).not.toHaveProperty('idempotency-key');
    }
    expect(answers.at(-1)).toMatchObject({ code: 200, body: '{"OrderID":1,"OrderNumber":100,"StoreID":7}' });
    expect(fixture.disk.rows).toHaveLength(1);
  });

  it.each([
    'Content-Length: 0\r\nContent-Type: application/json',
    'Content-Type: application/json',
    'X: no body at all',
  ])('without a body (%j) is answered the same way', async (headers) => {
    const fixture = await HttpFixture.open();
    const connection = await fixture.connect();
    connection.send(`POST ${ORDER_PATH} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n`);
    expect(await connection.answer()).toMatchObject({ code: 400, body: MALFORMED_BODY });
  });

  it.each([
    ['store_id=7', 'the body is not JSON; send {"store_id": 7}'],
    [`${'['.repeat(100)}`, 'the body is not JSON; send {"store_id": 7}'],
    [`${'['.repeat(101)}`, 'the body is nested too deeply'],
    [`${'['.repeat(20_000)}`, 'the body is nested too deeply'],
    [`{"store_id":1.0,"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, 'the body is nested too deeply'],
    ['[7]', 'the body is not a JSON object; send {"store_id": 7}'],
    ['{"storeId":7}', 'store_id is missing; send {"store_id": 7}'],
    ['{"store_id":"7"}', 'store_id must be a JSON number, a whole number from 1 to 9007199254740991, not a string'],
    ['{"store_id":null}', 'store_id must be a JSON number, a whole number from 1 to 9007199254740991, not null'],
    ['{"store_id":[7]}', 'store_id must be a JSON number, a whole number from 1 to 9007199254740991, not an array'],
    ['{"store_id":0}', 'store_id must be a whole number from 1 to 9007199254740991'],
    ['{"store_id":1.5}', 'store_id must be a whole number from 1 to 9007199254740991'],
  ])('names in its detail what to send instead of %.40s', (body, detail) => {
    expect(whyMalformed(body)).toEqual({ reason: 'STORE_ID_INVALID', detail });
  });

  it.each([
    ['{"store_id":7,"request_id":"cart-1"}', 'REQUEST_ID_INVALID', /Idempotency-Key/],
    ['{"requestId":"cart-1","store_id":7}', 'REQUEST_ID_INVALID', /Idempotency-Key/],
    ['{"store_id":7,"count":2}', 'COUNT_INVALID', /\/api\/generateOrderNumbers/],
  ])('P5: has a key or a count, which would be lost: %s', async (body, reason, remedy) => {
    const fixture = await HttpFixture.open();
    const { code, body: answer } = await fixture.post(body, { 'idempotency-key': 'cart-1' });
    expect(code).toBe(400);
    expect(JSON.parse(answer)).toEqual({
      message: 'Malformed Request',
      reason,
      detail: expect.stringMatching(remedy) as string,
    });
    expect(fixture.disk.rows).toEqual([]);
  });

  it('P5: in a batch, has its key under another name, which would be lost', async () => {
    const fixture = await HttpFixture.open();
    const connection = await fixture.connect();
    const orders = '[{"store_id":7,"requestId":"cart-1"},{"store_id":7,"request_id":"cart-2"}]';
    const request = `POST /api/generateOrderNumbers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
    connection.send(`${request}Content-Length: ${orders.length}\r\n\r\n${orders}`);
    const { body } = await connection.answer();
    expect(JSON.parse(body)).toMatchObject([
      { status: 400, reason: 'REQUEST_ID_INVALID', detail: 'requestId is no field of an order; send request_id' },
      { OrderID: 1, request_id: 'cart-2' },
    ]);
  });

  it('is malformed whatever its key', async () => {
    const fixture = await HttpFixture.open();
    for (const key of ['cart-1', 'not a key']) {
      const answer = await fixture.post('{}', { 'idempotency-key': key });
      expect(answer).toMatchObject({ code: 400, body: MALFORMED_BODY });
    }
  });

  it('is counted and logged once, as an invalid store_id', async () => {
    const fixture = await HttpFixture.open();
    await fixture.post('{"store_id": "secret"}');
    expect(fixture.ended).toEqual([['http', 'generateOrderNumber', 'STORE_ID_INVALID']]);
    expect(fixture.log).toMatchObject([
      { method: 'generateOrderNumber', reason: 'STORE_ID_INVALID', ms: expect.any(Number), msg: 'Malformed Request' },
    ]);
  });

  it('leaves no trace on later objects', async () => {
    const fixture = await HttpFixture.open();
    await fixture.post('{"__proto__":{"store_id":7,"polluted":1},"constructor":{"prototype":{"polluted":1}}}');
    expect({}).not.toHaveProperty('polluted');
    expect(await fixture.post('{}')).toMatchObject({ code: 400 });
  });
});
