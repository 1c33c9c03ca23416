import { describe, expect, it } from 'vitest';
import { HttpFixture } from '../http-fixture.ts';
import { callConnect, envelope, PATIENT, reasonOf, SERVICE_PATH, streamConnect } from './connect-client.ts';

/** What the answer says about the place of a fault. */
function faultOf(json: Awaited<ReturnType<typeof callConnect>>['json']) {
  const violations = json.details?.find(({ type }) => type === 'google.rpc.BadRequest')?.debug['fieldViolations'];
  return [reasonOf(json), (violations as { field: string }[] | undefined)?.[0]?.field, json.message];
}

describe('the text of a message in JSON', () => {
  const EXACT = 'cannot be read exactly: send it as a string, ';
  const CASES: readonly (readonly [body: string, field: string | undefined, message: unknown])[] = [
    ['{"storeId": 9007199254740993}', 'storeId', `storeId 9007199254740993 ${EXACT}"9007199254740993"`],
    ['{"storeId": -9007199254740992}', 'storeId', `storeId -9007199254740992 ${EXACT}"-9007199254740992"`],
    ['{"store_id": 1e16}', 'store_id', 'store_id 1e16 cannot be read exactly: send a whole number'],
    [
      '{"storeId": 7.00000000000000001}',
      'storeId',
      'storeId 7.00000000000000001 cannot be read exactly: send a whole number',
    ],
    [
      '{"storeId": 7, "requestID": "a"}',
      'requestID',
      '"requestID" is not a field of AllocateOrderRequest; did you mean requestId?',
    ],
    [
      '{"storeId": 7, "key": "a"}',
      'key',
      '"key" is not a field of AllocateOrderRequest; its fields are storeId, requestId',
    ],
    ['{"storeId": 7, "store_id": 8}', 'store_id', expect.stringContaining('set multiple times')],
    ['{"storeId": 7, "storeId": 8}', undefined, expect.stringContaining('duplicate object key "storeId"')],
    ['{"storeId": "seven"}', 'storeId', 'storeId "seven" is not a number; send decimal digits'],
    ['{"storeId": "0x7"}', 'storeId', 'storeId "0x7" is not a number; send decimal digits'],
    ['{"storeId": " 7"}', 'storeId', 'storeId " 7" is not a number; send decimal digits'],
    ['', undefined, 'the message is empty; send a JSON object, such as {}'],
    ['storeId=7', undefined, 'the message is not JSON'],
    [`${'['.repeat(200)}`, undefined, 'the message is nested too deeply'],
  ];

  it('is refused, and numbers nothing, if it is not what the caller means', async () => {
    const fixture = await HttpFixture.open();
    for (const [body, field, message] of CASES) {
      const { status, json } = await callConnect(fixture, 'AllocateOrder', body);
      expect([body, status, json.code, ...faultOf(json)]).toEqual([
        body,
        400,
        'invalid_argument',
        'REQUEST_MALFORMED',
        field,
        message,
      ]);
      expect(json.details).toHaveLength(field === undefined ? 1 : 2);
    }
    expect(fixture.ended).toEqual(CASES.map(() => ['http', 'AllocateOrder', 'REQUEST_MALFORMED']));
    expect(fixture.disk.rows).toEqual([]);
  });

  it('is checked in each request of a batch, and in the message of a stream', async () => {
    const fixture = await HttpFixture.open();
    const batch = '{"requests": [{"storeId": 7}, {"storeId": 9007199254740993}]}';
    const { json } = await callConnect(fixture, 'BatchAllocateOrders', batch);
    expect(faultOf(json)).toMatchObject(['REQUEST_MALFORMED', 'requests[1].storeId', expect.any(String)]);
    const { messages } = await streamConnect(fixture, 'WatchAllocations', '{"afterOrderID": 0}');
    const { end } = (await messages.next()).value as { end: { error: typeof json } };
    expect(faultOf(end.error)).toMatchObject(['REQUEST_MALFORMED', 'afterOrderID', expect.any(String)]);
    expect(fixture.disk.rows).toEqual([]);
  });

  it('is not read further if it has more requests than a batch may have', async () => {
    const fixture = await HttpFixture.open();
    const requests = [...Array.from({ length: 1000 }, () => ({})), { unknown: 1 }];
    const { json } = await callConnect(fixture, 'BatchAllocateOrders', { requests });
    expect(faultOf(json)).toMatchObject(['BATCH_SIZE_INVALID', 'requests', expect.any(String)]);
  });

  it('may have numbers that are exact, and names in either form', async () => {
    const fixture = await HttpFixture.open();
    for (const body of ['{"storeId": 9007199254740991}', '{"store_id": "9007199254740993"}', '{"storeId": 1e3}']) {
      expect(await callConnect(fixture, 'AllocateOrder', body)).toMatchObject({ status: 200 });
    }
  });

  it('is not in the answer as a whole', async () => {
    const fixture = await HttpFixture.open();
    const { json } = await callConnect(fixture, 'AllocateOrder', { storeId: '7'.repeat(5000) });
    expect(reasonOf(json)).toBe('REQUEST_MALFORMED');
    expect(json.message?.length).toBeLessThanOrEqual(512);
  });

  it('is refused over gRPC-Web although its text cannot be quoted: half of a surrogate pair, control characters', async () => {
    const fixture = await HttpFixture.open();
    const headers = { 'content-type': 'application/grpc-web+json' };
    for (const json of [String.raw`"\ud800"`, String.raw`"\u0000\u2028"`]) {
      const answer = await fixture.ask(`${SERVICE_PATH}/AllocateOrder`, {
        method: 'POST',
        body: envelope(json),
        headers,
      });
      expect(answer.body).toMatch(/grpc-status: 3\r\n/);
      expect(decodeURIComponent(answer.body)).not.toMatch(/AllocateOrderRequest from JSON: "[\0\u2028]/);
    }
  });

  it('is checked over gRPC-Web, too', async () => {
    const fixture = await HttpFixture.open();
    const answer = await fixture.ask(`${SERVICE_PATH}/AllocateOrder`, {
      method: 'POST',
      body: envelope('{"storeId": 7, "requestID": "a"}'),
      headers: { 'content-type': 'application/grpc-web+json' },
    });
    expect(answer.body).toContain('grpc-status: 3');
    expect(fixture.ended).toEqual([['http', 'AllocateOrder', 'REQUEST_MALFORMED']]);
  });
});

describe('an envelope', () => {
  const request = envelope('{"storeId": 9007199254740993}');
  it.each([
    ['with flags that mean nothing', Buffer.concat([Buffer.of(4), request.subarray(1)])],
    ['that another one follows', Buffer.concat([request, envelope('{}')])],
    ['that is cut off', request.subarray(0, -1)],
    ['without its length', request.subarray(0, 3)],
    ['that is absent', Buffer.alloc(0)],
  ])('%s is refused, so that no message comes in unread', async (_name, body) => {
    const fixture = await HttpFixture.open();
    const headers = { 'content-type': 'application/grpc-web+json' };
    const answer = await fixture.ask(`${SERVICE_PATH}/AllocateOrder`, { method: 'POST', body, headers });
    expect(answer.body).toContain('grpc-status: 3');
    expect(answer.body).toContain('the%20body%20must%20be%20one%20envelope');
    expect(fixture.ended).toEqual([['http', 'AllocateOrder', 'REQUEST_MALFORMED']]);
    expect(fixture.disk.rows).toEqual([]);
  });
});

describe('a Content-Type', () => {
  it('may be written in each way that means JSON in UTF-8', async () => {
    const fixture = await HttpFixture.open();
    for (const type of [
      'Application/JSON',
      'application/json; charset="utf-8"',
      'application/json ;charset=UTF8; v=1',
    ]) {
      const { status } = await callConnect(fixture, 'AllocateOrder', '{"storeId": 7}', { 'content-type': type });
      expect([type, status]).toEqual([type, 200]);
    }
  });

  it('of another charset is told what to send', async () => {
    const fixture = await HttpFixture.open();
    const latin1 = { 'content-type': 'application/json; charset=latin1' };
    const { status, json } = await callConnect(fixture, 'AllocateOrder', '{"storeId": 7}', latin1);
    expect([status, json['reason']]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
  });
});

describe('what is no message at all', () => {
  it.each([
    ['a compressed message', { 'content-encoding': 'gzip' }, [501, 'unimplemented']],
    ['a deadline that is no number', { 'connect-timeout-ms': 'soon' }, [400, 'invalid_argument']],
    ['damaged protobuf', { 'content-type': 'application/proto' }, [400, 'invalid_argument']],
  ])('%s is refused, and counted', async (_name, headers, expected) => {
    const fixture = await HttpFixture.open();
    const { status, json } = await callConnect(fixture, 'AllocateOrder', '{"storeId":7}', headers);
    expect([status, json.code]).toEqual(expected);
    await expect.poll(() => fixture.ended, PATIENT).toEqual([['http', 'AllocateOrder', 'REQUEST_MALFORMED']]);
    expect(fixture.disk.rows).toEqual([]);
  });

  it('another method or Content-Type is told what to send', async () => {
    const fixture = await HttpFixture.open();
    const path = `${SERVICE_PATH}/VerifyLedger`;
    const headers = { 'content-type': 'application/json' };
    expect(await fixture.ask(path, { method: 'POST', body: '{}', headers })).toMatchObject({
      code: 415,
      body: expect.stringContaining('application/connect+json'),
    });
    expect(await fixture.ask(path)).toMatchObject({ code: 405, headers: { allow: 'POST' } });
    expect(await fixture.ask(`${SERVICE_PATH}/Nothing`, { method: 'POST', body: '{}', headers })).toMatchObject({
      code: 404,
    });
  });
});
