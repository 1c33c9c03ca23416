import { describe, expect, it, vi } from 'vitest';
import { GrpcClient } from '../../support/clients/grpc-client.ts';
import { ENGINES } from '../../support/engines/engines.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { BATCH_PATH, HttpFixture } from './http-fixture.ts';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7/;
const KIB = 1024;

describe.each(ENGINES)('a batch over HTTP, on $name', (engine) => {
  it('P1 P3 P5: each order has its answer, in order, and again it is the same', async () => {
    const { post } = await serve(await engine.newLedger());
    const body = '[{"store_id":7,"request_id":"a","count":2},{"store_id":8},{"store_id":7,"request_id":"b"}]';
    const answers = (await post(body)).json;
    expect(answers).toEqual([
      { OrderID: 1, OrderNumber: 100, StoreID: 7, Count: 2, request_id: 'a' },
      { OrderID: 3, OrderNumber: 100, StoreID: 8, Count: 1, request_id: expect.stringMatching(UUID_V7) },
      { OrderID: 4, OrderNumber: 102, StoreID: 7, Count: 1, request_id: 'b' },
    ]);
    const again = JSON.stringify([
      { store_id: 7, request_id: 'b' },
      { store_id: 8, request_id: (answers as { request_id: string }[])[1]!.request_id },
    ]);
    expect((await post(again)).json).toEqual([(answers as unknown[])[2], (answers as unknown[])[1]]);
  });

  it('P6: a bad order is refused alone', async () => {
    const { post, client } = await serve(await engine.newLedger());
    await client.allocate(7n, 2, 'used');
    const bad = [
      '{"store_id":7,"request_id":"used"}',
      '{"store_id":7.5}',
      '{"store_id":9007199254740993,"request_id":"rounded"}',
      '{"store_id":7.00000000000000001}',
      '{"store_id":"7"}',
      '7',
      '{"store_id":7,"count":0,"request_id":"c"}',
      '{"store_id":7,"count":1.00000000000000001,"request_id":"d"}',
      '{"store_id":7,"request_id":"a b"}',
      '{"store_id":7,"request_id":5}',
      '{"store_id":7,"request_id":""}',
    ];
    const { code, json } = await post(
      `[${bad.map((order, i) => `{"store_id":7e0,"request_id":"${i}"},${order}`).join()}]`,
    );
    expect(code).toBe(200);
    const answers = json as { status?: number; reason?: string; request_id?: string; OrderNumber?: number }[];
    expect(answers.filter((_, i) => i % 2 === 0).map((answer) => [answer.OrderNumber, answer.request_id])).toEqual(
      bad.map((_, i) => [102 + i, String(i)]),
    );
    expect(
      answers.filter((_, i) => i % 2 === 1).map(({ status, reason, request_id: key }) => [status, reason, key]),
    ).toEqual([
      [422, 'REQUEST_ID_MISMATCH', 'used'],
      [400, 'STORE_ID_INVALID', expect.stringMatching(UUID_V7)],
      [400, 'STORE_ID_INVALID', 'rounded'],
      [400, 'STORE_ID_INVALID', expect.stringMatching(UUID_V7)],
      [400, 'STORE_ID_INVALID', expect.stringMatching(UUID_V7)],
      [400, 'STORE_ID_INVALID', expect.stringMatching(UUID_V7)],
      [400, 'COUNT_INVALID', 'c'],
      [400, 'COUNT_INVALID', 'd'],
      [400, 'REQUEST_ID_INVALID', undefined],
      [400, 'REQUEST_ID_INVALID', undefined],
      [400, 'REQUEST_ID_INVALID', undefined],
    ]);
  });
});

describe('a batch over HTTP', () => {
  it.each([
    ['no array', '{"store_id":7}', {}, 'BATCH_SIZE_INVALID'],
    ['no JSON', '[{"store_id":7}', {}, 'BATCH_SIZE_INVALID'],
    ['no body', '', {}, undefined],
    ['no order', '[]', {}, 'BATCH_SIZE_INVALID'],
    ['too many orders', `[${Array.from({ length: 1001 }, () => '{"store_id":7}').join()}]`, {}, 'BATCH_SIZE_INVALID'],
    ['a key in the header', '[{"store_id":7}]', { 'idempotency-key': 'a' }, 'REQUEST_ID_INVALID'],
  ])('P6: is a 400 as a whole with %s', async (_, body, headers, reason) => {
    const fixture = await HttpFixture.open();
    const answer = await fixture.batch(body, headers);
    expect([answer.code, JSON.parse(answer.body)]).toMatchObject([400, reason === undefined ? {} : { reason }]);
    expect(fixture.ledger.batches).toEqual([]);
  });

  it('may have 256 KiB, and every other body 64', async () => {
    const fixture = await HttpFixture.open();
    expect((await fixture.batch(paddedTo(256 * KIB))).code).toBe(200);
    const tooLarge = await fixture.batch(paddedTo(256 * KIB + 1));
    expect([tooLarge.code, tooLarge.body]).toEqual([413, expect.stringContaining('larger than 262144 bytes')]);
    expect((await fixture.post('{"store_id":7}'.padEnd(64 * KIB + 1))).code).toBe(413);
    const keyed = Array.from({ length: 1000 }, (__, i) => ({
      store_id: Number.MAX_SAFE_INTEGER,
      request_id: String(i).padStart(128, 'k'),
      count: 1000,
    }));
    const answer = await fixture.batch(JSON.stringify(keyed));
    expect((JSON.parse(answer.body) as { request_id: string }[]).map(({ request_id: key }) => key)).toEqual(
      keyed.map(({ request_id: key }) => key),
    );
  });

  it('allows POST only, and counts the call and its orders', async () => {
    const fixture = await HttpFixture.open();
    const get = await fixture.ask(BATCH_PATH);
    expect([get.code, get.headers['allow']]).toEqual([405, 'POST']);
    await fixture.batch('[{"store_id":7},{"store_id":0},{"store_id":8}]');
    await vi.waitUntil(() => fixture.ended.length > 0);
    expect(fixture.ended).toEqual([['http', 'generateOrderNumbers', 'OK']]);
    expect(fixture.requests).toEqual([
      ['http', 'OK', 2],
      ['http', 'STORE_ID_INVALID', 1],
    ]);
  });

  it('P7: after its time, what was queued is CANCELLED and what is under way OUTCOME_UNKNOWN, each with its key', async () => {
    const slow = await HttpFixture.open({ maxBatch: 1 }, { requestTimeoutMs: 50 });
    const held = slow.ledger.holdNext();
    const answer = await slow.batch('[{"store_id":7,"request_id":"a"},{"store_id":7,"request_id":"b"}]');
    expect(JSON.parse(answer.body)).toMatchObject([
      { status: 503, reason: 'OUTCOME_UNKNOWN', request_id: 'a' },
      { status: 503, reason: 'CANCELLED', request_id: 'b', message: expect.stringContaining('same request_id') },
    ]);
    held.release();
    expect(JSON.parse((await slow.batch('[{"store_id":7,"request_id":"a"}]')).body)).toMatchObject([{ OrderID: 1 }]);
  });

  it('is a 503 as a whole while the server drains', async () => {
    const fixture = await HttpFixture.open();
    await fixture.allocator.drain(1000);
    const answer = await fixture.batch('[{"store_id":7},{"store_id":0}]');
    expect([answer.code, answer.headers['retry-after'], JSON.parse(answer.body)]).toMatchObject([
      503,
      '1',
      { reason: 'DRAINING' },
    ]);
  });

  it('needs a request_id in each order if the server requires one', async () => {
    const fixture = await HttpFixture.open({ requireRequestId: true });
    const answer = await fixture.batch('[{"store_id":7},{"store_id":7,"request_id":"a"}]');
    expect(JSON.parse(answer.body)).toMatchObject([{ status: 400, reason: 'REQUEST_ID_REQUIRED' }, { OrderID: 1 }]);
  });
});

function paddedTo(bytes: number): string {
  return '[{"store_id":7}]'.padEnd(bytes, ' ');
}

async function serve(ledger: string) {
  const server = new LocalServer(ledger);
  const { grpc, http } = (await server.line('serving')) as unknown as { grpc: string; http: string };
  const post = async (body: string) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`http://${http}${BATCH_PATH}`, { method: 'POST', headers, body });
    return { code: answer.status, json: (await answer.json()) as unknown };
  };
  return { post, client: new GrpcClient(grpc) };
}
