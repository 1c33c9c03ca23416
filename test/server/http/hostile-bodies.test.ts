import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { HttpFixture, ORDER_PATH, orderRequest } from './http-fixture.ts';

/** As deep as 64 KiB allow. */
const DEEP = 20_000;
/** Damages the heap of Node.js 26 if JSON.parse meets it: see core/text/json-text.ts. */
const BROKEN_OFF = `${'['.repeat(DEEP)}${'1,'.repeat(10_000)}{"a":{"b`;
const ERROR = 50;
const JSON_TYPE = { 'content-type': 'application/json' };

/** What a parser may choke on: refused, and never as a fault of the server. */
const REFUSED: readonly [name: string, body: string | Uint8Array][] = [
  ['deep arrays beside a whole number', `{"store_id":7,"a":${'['.repeat(DEEP)}${']'.repeat(DEEP)}}`],
  ['deep arrays', `{"store_id":1.0,"a":${'['.repeat(DEEP)}${']'.repeat(DEEP)}}`],
  ['deep objects', `{"store_id":1e0,"a":${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}}`],
  ['deep arrays as a whole', `${'['.repeat(DEEP)}1.5${']'.repeat(DEEP)}`],
  ['deep arrays that never end', '['.repeat(65_000)],
  ['deep arrays around an object that breaks off', BROKEN_OFF],
  ['a huge exponent', '{"store_id":1e999999999999999999}'],
  ['a huge negative exponent', '{"store_id":1e-999999999999999999}'],
  ['a number of 60,000 digits', `{"store_id":${'9'.repeat(60_000)}}`],
  ['a fraction of 60,000 digits', `{"store_id":1.${'0'.repeat(60_000)}1}`],
  ['invalid UTF-8', Uint8Array.of(0x7b, 0xff, 0xfe, 0x80, 0x7d)],
  ['a cut UTF-8 sequence', Uint8Array.of(0x22, 0xe2, 0x82)],
  ['UTF-16', Buffer.from('\ufeff{"store_id":7}', 'utf16le')],
  ['gzip', gzipSync('{"store_id":7}')],
  ['a BOM alone', '\ufeff'],
  ['two BOMs', '\ufeff\ufeff{"store_id":7}'],
];

/** Odd bodies that name a store unambiguously. */
const TAKEN: readonly [name: string, body: string | Uint8Array][] = [
  ['a BOM', '\ufeff{"store_id":7}'],
  ['a BOM and a number that may be rounded', '\ufeff{"store_id":7.0}'],
  ['a lone surrogate', '{"store_id":7,"note":"\\ud800"}'],
  ['the same key 3,000 times', `{${'"a":1,'.repeat(3000)}"store_id":7}`],
  ['store_id twice', '{"store_id":8,"store_id":7}'],
  ['__proto__', '{"__proto__":{"store_id":8},"store_id":7.0}'],
  [
    'invalid UTF-8 in another field',
    Buffer.concat([Buffer.from('{"note":"'), Buffer.of(0xff, 0xc3, 0x28), Buffer.from('","store_id":7}')]),
  ],
  ['arrays beside a whole number', `{"store_id":7,"a":${'['.repeat(99)}${']'.repeat(99)}}`],
];

describe('the server survives any body', () => {
  it('and refuses a hostile one with 400, numbering nothing', async () => {
    const fixture = await HttpFixture.open();
    for (const [name, body] of REFUSED) {
      const answer = await fixture.post(body);
      expect([name, answer.code, JSON.parse(answer.body)]).toEqual([
        name,
        400,
        { message: 'Malformed Request', reason: 'STORE_ID_INVALID', detail: expect.any(String) },
      ]);
    }
    expect(fixture.disk.rows).toEqual([]);
    expect(fixture.log.filter(({ level, err }) => Number(level) >= ERROR || err !== undefined)).toEqual([]);
  });

  it('and accepts one whose store is unambiguous', async () => {
    const fixture = await HttpFixture.open();
    for (const [i, [name, body]] of TAKEN.entries()) {
      const answer = await fixture.post(body);
      expect([name, answer.body]).toEqual([name, `{"OrderID":${i + 1},"OrderNumber":${100 + i},"StoreID":7}`]);
    }
  });

  it.each([
    ['a charset that is not there', { 'content-type': 'application/json; charset=x-klingon' }],
    ['a charset without a value', { 'content-type': 'application/json; charset' }],
    ['parameters that never end', { 'content-type': `application/json${'; a=b'.repeat(500)}` }],
    ['an encoding that it is not in', { ...JSON_TYPE, 'content-encoding': 'gzip' }],
    ['an encoding that is not there', { ...JSON_TYPE, 'content-encoding': 'x-klingon' }],
    ['a key that cannot be decoded', { ...JSON_TYPE, 'idempotency-key': '%E0%A4%A' }],
    ['a key called as a property', { ...JSON_TYPE, 'idempotency-key': '__proto__' }],
    ['cookies that cannot be read', { ...JSON_TYPE, cookie: '=;=;;%%%' }],
  ])('and any headers: %s', async (_, headers) => {
    const fixture = await HttpFixture.open();
    const { code } = await fixture.ask(ORDER_PATH, { method: 'POST', body: '{"store_id":7}', headers });
    expect([200, 400, 415]).toContain(code);
    expect(fixture.log.filter(({ level }) => Number(level) >= ERROR)).toEqual([]);
  });

  it.each([
    ['?%', 200],
    ['?a=%E0%A4%A', 200],
    ['?__proto__[x]=1&__proto__=2&constructor=3', 200],
    [`?${'a&'.repeat(4000)}`, 200],
    ['?a=\u0001', 400],
    ['%', 404],
    ['/%E0%A4%A', 404],
    ['/%00', 404],
    ['/../generateOrderNumber', 404],
  ])('and any text after the path: %.40s', async (tail, code) => {
    const fixture = await HttpFixture.open();
    const connection = await fixture.connect();
    connection.send(orderRequest('{"store_id":7}').toString().replace(`${ORDER_PATH} `, `${ORDER_PATH}${tail} `));
    expect((await connection.answer()).code).toBe(code);
    expect(fixture.log.filter(({ level }) => Number(level) >= ERROR)).toEqual([]);
  });

  it('and one with a wrong length', async () => {
    const fixture = await HttpFixture.open();
    for (const length of ['1e1', '-1', '14, 14', '0x0e', '99999999999999999999']) {
      const connection = await fixture.connect();
      connection.send(
        orderRequest('{"store_id":7}').toString().replace('Content-Length: 14', `Content-Length: ${length}`),
      );
      expect([400, 413, 431]).toContain((await connection.answer()).code);
    }
    expect(fixture.log.filter(({ level }) => Number(level) >= ERROR)).toEqual([]);
  });
});
