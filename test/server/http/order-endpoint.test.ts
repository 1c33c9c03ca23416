import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { INT64_MAX } from '../../../src/core/allocation.ts';
import { OrderError } from '../../../src/core/errors.ts';
import type { RawConnection } from './http-fixture.ts';
import { HttpFixture, orderRequest } from './http-fixture.ts';
import { newStore } from '../../support/engines/memory-ledger.ts';

const INFO = 30;
const WARN = 40;
const ERROR = 50;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('an order number', () => {
  it('P1 P2: comes byte for byte as from the original sample', async () => {
    const fixture = await HttpFixture.open();
    const connection = await fixture.connect();
    connection.send(orderRequest('{"store_id": 32913}'));
    const answer = await connection.answer();
    expect(connection.received).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(connection.received.endsWith('\r\n\r\n{"OrderID":1,"OrderNumber":100,"StoreID":32913}')).toBe(true);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(answer.headers['content-length']).toBe('47');
    expect(answer.headers).not.toHaveProperty('idempotency-replayed');
    expect((await fixture.order(32913)).body).toBe('{"OrderID":2,"OrderNumber":101,"StoreID":32913}');
    expect((await fixture.order(7)).body).toBe('{"OrderID":3,"OrderNumber":100,"StoreID":7}');
    expect(fixture.ended).toEqual(Array.from({ length: 3 }, () => ['http', 'generateOrderNumber', 'OK']));
    expect(fixture.log).toEqual([]);
  });

  it('comes with its display number in a header, also when it is replayed', async () => {
    const fixture = await HttpFixture.open();
    fixture.disk.stores.set(7n, { ...newStore(7n, 0), prefix: 'WEB-', suffix: '/26', minDigits: 6 });
    for (let i = 0; i < 2; i++) {
      const { headers, body } = await fixture.order(7, { 'idempotency-key': 'cart-1' });
      expect([headers['display-number'], body]).toEqual([
        'WEB-000100/26',
        '{"OrderID":1,"OrderNumber":100,"StoreID":7}',
      ]);
    }
    expect((await fixture.order(8)).headers['display-number']).toBe('100');
    expect((await fixture.order(-1)).headers).not.toHaveProperty('display-number');
  });

  it('takes a key literally: with quotes it is another key', async () => {
    const fixture = await HttpFixture.open();
    expect((await fixture.order(7, { 'idempotency-key': 'x' })).body).toContain('"OrderID":1,');
    const quoted = await fixture.order(7, { 'idempotency-key': '"x"' });
    expect([quoted.headers['idempotency-key'], quoted.body]).toEqual([
      '"x"',
      '{"OrderID":2,"OrderNumber":101,"StoreID":7}',
    ]);
  });

  it('above 2^53 is not rounded', async () => {
    const fixture = await HttpFixture.open();
    fixture.disk.lastOrderId = 2n ** 53n;
    const storeId = 9007199254740991n;
    fixture.disk.stores.set(storeId, { ...newStore(storeId, 0), lastNumber: INT64_MAX - 1n });
    const { body } = await fixture.order(9007199254740991);
    expect(body).toBe('{"OrderID":9007199254740993,"OrderNumber":9223372036854775807,"StoreID":9007199254740991}');
  });

  it('P1 P2: comes for each of many requests pipelined on one connection, in order', async () => {
    const fixture = await HttpFixture.open();
    const connection = await fixture.connect();
    connection.send(Buffer.concat(Array.from({ length: 200 }, () => orderRequest('{"store_id": 7}'))));
    const answers = await connection.answers(200);
    expect(answers.map(({ body }) => body)).toEqual(
      answers.map((_, i) => `{"OrderID":${i + 1},"OrderNumber":${i + 100},"StoreID":7}`),
    );
  });

  it('comes for a body in pieces, with a charset, a query and irrelevant headers', async () => {
    const fixture = await HttpFixture.open();
    const connection = await fixture.connect();
    const head =
      'POST /api/generateOrderNumber?x=1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: Application/JSON ; charset=utf-8';
    connection.send(`${head}\r\nTransfer-Encoding: chunked\r\nAccept: text/html\r\n\r\n`);
    for (const piece of ['{"stor', 'e_id"', ':7}']) connection.send(`${piece.length.toString(16)}\r\n${piece}\r\n`);
    connection.send('0\r\n\r\n');
    expect(await connection.answer()).toMatchObject({ code: 200, body: '{"OrderID":1,"OrderNumber":100,"StoreID":7}' });
  });
});

describe('Idempotency-Key', () => {
  it('P5: is the request_id, comes back, and marks a replay', async () => {
    const fixture = await HttpFixture.open();
    const first = await fixture.order(7, { 'Idempotency-Key': 'cart-1' });
    const again = await fixture.order(7, { 'idempotency-key': 'cart-1' });
    expect(first.headers['idempotency-key']).toBe('cart-1');
    expect(first.headers).not.toHaveProperty('idempotency-replayed');
    expect(again).toMatchObject({ code: 200, body: first.body });
    expect(again.headers).toMatchObject({ 'idempotency-key': 'cart-1', 'idempotency-replayed': 'true' });
    expect(fixture.disk.rows.map(({ requestId }) => requestId)).toEqual(['cart-1']);
    expect((await fixture.order(8, { 'idempotency-key': 'cart-1' })).body).toBe(
      '{"OrderID":2,"OrderNumber":100,"StoreID":8}',
    );
  });

  it('P5: makes all racing copies but one replays', async () => {
    const fixture = await HttpFixture.open();
    const held = fixture.ledger.holdNext();
    const copies = Array.from({ length: 5 }, () => fixture.order(7, { 'idempotency-key': 'copy' }));
    await fixture.arrived(copies.length);
    held.release();
    const answers = await Promise.all(copies);
    expect(new Set(answers.map(({ body }) => body))).toEqual(new Set(['{"OrderID":1,"OrderNumber":100,"StoreID":7}']));
    expect(answers.filter(({ headers }) => headers['idempotency-replayed'] === 'true')).toHaveLength(4);
  });

  it.each(['"quoted"', 'a,b', `${'k'.repeat(128)}`, '!~', '0'])('%j is taken raw', async (key) => {
    const fixture = await HttpFixture.open();
    const { code, headers } = await fixture.order(7, { 'idempotency-key': key });
    expect([code, headers['idempotency-key']]).toEqual([200, key]);
    expect(fixture.disk.rows[0]?.requestId).toBe(key);
  });

  it.each([
    ['empty', ['Idempotency-Key:']],
    ['empty, and spaces', ['Idempotency-Key:    ']],
    ['129 characters', [`Idempotency-Key: ${'k'.repeat(129)}`]],
    ['a space', ['Idempotency-Key: a b']],
    ['a tab', ['Idempotency-Key: a\tb']],
    ['Latin-1', ['Idempotency-Key: caf\u00e9']],
    ['UTF-8', ['Idempotency-Key: caf\u00c3\u00a9']],
    ['sent twice', ['Idempotency-Key: a', 'Idempotency-Key: b']],
    ['sent twice, the same', ['Idempotency-Key: a', 'idempotency-key: a']],
    ['sent twice, both empty', ['Idempotency-Key:', 'idempotency-key:']],
  ])('P6: is refused if it is invalid, %s, and not returned', async (_name, headers) => {
    const fixture = await HttpFixture.open();
    const connection = await fixture.connect();
    connection.send(orderRequest('{"store_id": 7}', ...headers));
    const answer = await connection.answer();
    expect(answer.code).toBe(400);
    expect(JSON.parse(answer.body)).toEqual({
      message: expect.any(String),
      reason: 'REQUEST_ID_INVALID',
      detail: expect.any(String),
    });
    expect(answer.headers).not.toHaveProperty('idempotency-key');
    expect(fixture.ledger.batches).toEqual([]);
    expect(fixture.ended).toEqual([['http', 'generateOrderNumber', 'REQUEST_ID_INVALID']]);
  });

  it('is generated if none was sent, and valid for a retry', async () => {
    const fixture = await HttpFixture.open();
    const first = await fixture.order(7);
    const made = first.headers['idempotency-key']!;
    expect(made).toMatch(UUID_V7);
    expect(await fixture.order(7, { 'idempotency-key': made })).toMatchObject({
      body: first.body,
      headers: { 'idempotency-replayed': 'true' },
    });
  });

  it('P6: is required if the server is configured so', async () => {
    const fixture = await HttpFixture.open({ requireRequestId: true });
    const { code, body, headers } = await fixture.order(7);
    expect([code, JSON.parse(body)]).toEqual([
      400,
      { message: expect.any(String), reason: 'REQUEST_ID_REQUIRED', detail: expect.any(String) },
    ]);
    expect(headers).not.toHaveProperty('idempotency-key');
    expect((await fixture.order(7, { 'idempotency-key': 'cart-1' })).code).toBe(200);
    expect(fixture.disk.rows).toHaveLength(1);
  });
});

describe('refusals', () => {
  it('P6: a full queue is 503 with Retry-After, and returns the key, generated or sent', async () => {
    const fixture = await HttpFixture.open({ maxQueue: 1 });
    const reopening = fixture.ledger.startReopening();
    const waiting = fixture.order(7, { 'idempotency-key': 'waiting' });
    await fixture.arrived(1);
    const given = await fixture.order(7, { 'idempotency-key': 'refused' });
    const made = await fixture.order(7);
    for (const answer of [given, made]) {
      expect(answer.code).toBe(503);
      expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/);
      expect(JSON.parse(answer.body)).toEqual({ message: expect.any(String), reason: 'QUEUE_FULL' });
    }
    expect(given.headers['idempotency-key']).toBe('refused');
    expect(made.headers['idempotency-key']).toMatch(UUID_V7);
    reopening.resolve();
    expect((await waiting).code).toBe(200);
    expect(fixture.disk.rows).toHaveLength(1);
  });

  it('P6: a draining server is 503', async () => {
    const fixture = await HttpFixture.open();
    await fixture.allocator.drain(1000);
    const answer = await fixture.order(7);
    expect([answer.code, JSON.parse(answer.body)]).toMatchObject([503, { reason: 'DRAINING' }]);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(fixture.ledger.batches).toEqual([]);
  });

  it('P7: an unknown outcome is 503 and names the key to retry with, even a generated one', async () => {
    const fixture = await HttpFixture.open();
    fixture.ledger.failNext('persisted after all', 'not persisted');
    const unknown = await fixture.order(7);
    expect([unknown.code, JSON.parse(unknown.body)]).toMatchObject([503, { reason: 'OUTCOME_UNKNOWN' }]);
    expect(unknown.body).not.toContain('the disk failed');
    expect(Number(unknown.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    const key = unknown.headers['idempotency-key']!;
    expect((await fixture.order(8, { 'idempotency-key': 'given' })).headers['idempotency-key']).toBe('given');
    const again = await fixture.order(7, { 'idempotency-key': key });
    expect(again.body).toBe('{"OrderID":1,"OrderNumber":100,"StoreID":7}');
    expect(again.headers['idempotency-replayed']).toBe('true');
  });

  it('P6: a full disk is 503', async () => {
    const fixture = await HttpFixture.open();
    fixture.ledger.failNext('ledger full');
    const answer = await fixture.order(7);
    expect([answer.code, JSON.parse(answer.body)]).toMatchObject([503, { reason: 'LEDGER_FULL' }]);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1);
  });

  it('an exhausted sequence is 409, without Retry-After', async () => {
    const fixture = await HttpFixture.open();
    fixture.disk.stores.set(7n, { ...newStore(7n, 0), lastNumber: INT64_MAX });
    const answer = await fixture.order(7, { 'idempotency-key': 'last' });
    expect([answer.code, JSON.parse(answer.body)]).toMatchObject([409, { reason: 'SEQUENCE_EXHAUSTED' }]);
    expect(answer.headers['idempotency-key']).toBe('last');
    expect(answer.headers).not.toHaveProperty('retry-after');
  });

  it('P5: a key that belongs to a run is 422', async () => {
    const fixture = await HttpFixture.open();
    const call = { storeId: 7n, count: 3, requestId: 'run', caller: '', origin: 'a', signal: { aborted: false } };
    await fixture.allocator.allocate(call);
    const answer = await fixture.order(7, { 'idempotency-key': 'run' });
    expect([answer.code, JSON.parse(answer.body)]).toMatchObject([422, { reason: 'REQUEST_ID_MISMATCH' }]);
    expect(fixture.disk.rows).toHaveLength(1);
  });

  it('an unknown store is 404, a damaged ledger 500, and a read refused meanwhile 503', async () => {
    const fixture = await HttpFixture.open();
    for (const [reason, code] of [
      ['STORE_NOT_FOUND', 404],
      ['LEDGER_DAMAGED', 500],
      ['LEDGER_REOPENING', 503],
    ] as const) {
      refuseNext(fixture, new OrderError(reason, 'this is why'));
      const answer = await fixture.order(7);
      expect([answer.code, answer.body]).toEqual([code, `{"message":"this is why","reason":"${reason}"}`]);
    }
  });

  it.each([new Error('disk /var/secret'), 'secret', undefined, { reason: 'QUEUE_FULL', message: 'secret' }])(
    'P7: an unforeseen error (%s) reveals only that the outcome is unknown',
    async (thrown) => {
      const fixture = await HttpFixture.open();
      refuseNext(fixture, thrown);
      const answer = await fixture.order(7, { 'idempotency-key': 'cart-1' });
      expect(answer.code).toBe(503);
      expect(JSON.parse(answer.body)).toMatchObject({ reason: 'OUTCOME_UNKNOWN' });
      expect(JSON.stringify(answer)).not.toContain('secret');
      expect(fixture.log).toMatchObject([{ level: ERROR, reason: 'OUTCOME_UNKNOWN', request_id: 'cart-1' }]);
    },
  );
});

describe('a batch', () => {
  it('is followed by the next one before its answers are sent', async () => {
    const batchesThen: number[] = [];
    const observer = { ended: () => void batchesThen.push(fixture.ledger.batches.length), requestsEnded: () => {} };
    const fixture = await HttpFixture.open({}, { observer });
    const held = fixture.ledger.holdNext();
    const first = fixture.order(7);
    await held.begun;
    const second = fixture.order(7);
    await fixture.arrived(2);
    held.release();
    await Promise.all([first, second]);
    expect(batchesThen).toEqual([2, 2]);
  });

  it('P7: with an answer that cannot be sent ends only that connection', async () => {
    const fixture = await HttpFixture.open();
    // No text can be that long.
    fixture.disk.stores.set(7n, { ...newStore(7n, 0), minDigits: 2 ** 31 });
    const held = fixture.ledger.holdNext();
    const first = fixture.order(9);
    await held.begun;
    const bad = fixture.order(7, { 'idempotency-key': 'bad' });
    await fixture.arrived(2);
    const good = fixture.order(8);
    await fixture.arrived(3);
    held.release();
    await expect(bad).rejects.toThrow('fetch failed');
    expect([(await first).code, (await good).code]).toEqual([200, 200]);
    expect(fixture.ledger.batches.map((batch) => batch.length)).toEqual([1, 2]);
    expect(fixture.log).toMatchObject([{ level: ERROR, msg: 'an order could not be answered' }]);
  });
});

describe('P6: a call whose client is gone when its batch is formed burns nothing', () => {
  it.each([
    ['resets the connection', ({ socket }: RawConnection) => void socket.resetAndDestroy()],
    ['closes the connection', ({ socket }: RawConnection) => void socket.destroy()],
    ['half-closes the connection', ({ socket }: RawConnection) => void socket.end()],
  ])('P6: the client %s', async (_name, leave) => {
    const fixture = await HttpFixture.open();
    const held = fixture.ledger.holdNext();
    const first = fixture.order(7, { 'idempotency-key': 'first' });
    await held.begun;
    const client = await fixture.connect();
    client.send(orderRequest('{"store_id": 7}', 'Idempotency-Key: gone'));
    await fixture.arrived(2);
    expect(fixture.allocator.signals.map(({ aborted }) => aborted)).toEqual([false, false]);
    leave(client);
    await vi.waitUntil(() => fixture.allocator.signals[1]!.aborted);
    held.release();
    expect((await first).body).toBe('{"OrderID":1,"OrderNumber":100,"StoreID":7}');
    expect((await fixture.order(7, { 'idempotency-key': 'next' })).body).toBe(
      '{"OrderID":2,"OrderNumber":101,"StoreID":7}',
    );
    expect(fixture.disk.rows.map(({ requestId }) => requestId)).toEqual(['first', 'next']);
    expect(fixture.ended).toContainEqual(['http', 'generateOrderNumber', 'CANCELLED']);
    expect(fixture.log).toMatchObject([{ level: INFO, reason: 'CANCELLED', request_id: 'gone', store_id: '7' }]);
  });

  it('P5: but one whose client goes later is numbered, and gets the pair when it returns', async () => {
    const fixture = await HttpFixture.open();
    const held = fixture.ledger.holdNext();
    const client = await fixture.connect();
    client.send(orderRequest('{"store_id": 7}', 'Idempotency-Key: late'));
    await held.begun;
    client.socket.destroy();
    await vi.waitUntil(() => fixture.allocator.signals[0]!.aborted);
    held.release();
    expect(await fixture.order(7, { 'idempotency-key': 'late' })).toMatchObject({
      body: '{"OrderID":1,"OrderNumber":100,"StoreID":7}',
      headers: { 'idempotency-replayed': 'true' },
    });
  });
});

describe('the log', () => {
  it('has one line per failed call, with its keys and its reason, and none for a successful one', async () => {
    const fixture = await HttpFixture.open();
    await fixture.order(7, { 'idempotency-key': 'good' });
    await fixture.order(7, { 'idempotency-key': 'r'.repeat(5000) });
    fixture.ledger.failNext('not persisted');
    const unknown = await fixture.order(7);
    const call = { method: 'generateOrderNumber', ms: expect.any(Number), store_id: '7' };
    expect(fixture.log).toMatchObject([
      { ...call, level: INFO, request_id: 'r'.repeat(128), reason: 'REQUEST_ID_INVALID' },
      {
        ...call,
        level: ERROR,
        request_id: unknown.headers['idempotency-key'],
        reason: 'OUTCOME_UNKNOWN',
        err: { message: 'the disk failed' },
      },
    ]);
    expect(fixture.log).toHaveLength(2);
  });

  it('has one line for a slow call', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const fixture = await HttpFixture.open();
    const held = fixture.ledger.holdNext();
    const slow = fixture.order(7, { 'idempotency-key': 'slow' });
    await held.begun;
    vi.advanceTimersByTime(1500);
    held.release();
    await slow;
    expect(fixture.log).toMatchObject([{ level: WARN, msg: 'slow call', request_id: 'slow', store_id: '7', ms: 1500 }]);
  });
});

/** Makes the allocator refuse the next order, or fail in an unforeseen way. */
function refuseNext({ allocator }: HttpFixture, thrown: unknown): void {
  vi.spyOn(allocator, 'enqueue').mockImplementationOnce((_asked, caller) => {
    if (!(thrown instanceof OrderError)) throw thrown;
    queueMicrotask(() => caller.reject(thrown));
  });
}
