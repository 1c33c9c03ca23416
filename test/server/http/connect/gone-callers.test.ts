import { describe, expect, it, vi } from 'vitest';
import { PATIENT } from './connect-client.ts';
import { HttpFixture } from '../http-fixture.ts';
import type { ConnectAnswer } from './connect-client.ts';
import { callConnect, envelope, reasonOf, SERVICE_PATH, streamConnect } from './connect-client.ts';

const GRPC_WEB = 'application/grpc-web+json';

describe('P6: a waiting call whose caller is gone when the batch is formed burns nothing', () => {
  it('P6: when its deadline has passed, by which it is answered', async () => {
    const fixture = await HttpFixture.open();
    const reopening = fixture.ledger.startReopening();
    const deadline = { 'connect-timeout-ms': '50' };
    const expired = await callConnect(fixture, 'AllocateOrder', { storeId: 7, requestId: 'expired' }, deadline);
    expect(expired).toMatchObject({ status: 504, json: { code: 'deadline_exceeded' } });
    reopening.resolve();
    expect(await numberedWithNext(fixture)).toEqual(['next']);
    expect(fixture.ended).toEqual([
      ['http', 'AllocateOrder', 'CANCELLED'],
      ['http', 'AllocateOrder', 'OK'],
    ]);
  });

  it('P6: when its deadline had passed before it arrived', async () => {
    const fixture = await HttpFixture.open();
    const deadline = { 'connect-timeout-ms': '0' };
    const expired = await callConnect(fixture, 'AllocateOrder', { storeId: 7, requestId: 'expired' }, deadline);
    expect(expired).toMatchObject({ status: 504 });
    expect(await numberedWithNext(fixture)).toEqual(['next']);
  });

  it('P6: when the time of the server has passed, because it has no deadline', async () => {
    const fixture = await HttpFixture.open({}, { requestTimeoutMs: 50 });
    const reopening = fixture.ledger.startReopening();
    const unary = await callConnect(fixture, 'AllocateOrder', { storeId: 7, requestId: 'expired' });
    expect(unary).toMatchObject({ status: 504, json: { code: 'deadline_exceeded' } });
    const web = await streamed(fixture, 'AllocateOrder', GRPC_WEB, { storeId: 7, requestId: 'expired-2' });
    expect(web).toContain('grpc-status: 4');
    reopening.resolve();
    expect(await numberedWithNext(fixture)).toEqual(['next']);
  });

  it('P6: when it has closed its connection', async () => {
    const fixture = await HttpFixture.open();
    const reopening = fixture.ledger.startReopening();
    const connection = await fixture.connect();
    const body = '{"storeId": 7, "requestId": "left"}';
    const head = [`POST ${SERVICE_PATH}/AllocateOrder HTTP/1.1`, 'Host: localhost', 'Content-Type: application/json'];
    connection.send(`${head.join('\r\n')}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    await fixture.arrived(1);
    connection.socket.destroy();
    await vi.waitUntil(() => fixture.allocator.signals[0]!.aborted, PATIENT);
    reopening.resolve();
    expect(await numberedWithNext(fixture)).toEqual(['next']);
  });
});

it('a deadline further away than a timer reaches does not end the call at once', async () => {
  const fixture = await HttpFixture.open();
  const order = { storeId: 7, requestId: 'patient' };
  const far = () => callConnect(fixture, 'AllocateOrder', order, { 'connect-timeout-ms': '9999999999' });
  expect(await whileHeld(fixture, far)).toMatchObject({ status: 200 });
  const web = () => streamed(fixture, 'AllocateOrder', GRPC_WEB, { storeId: 7 }, { 'grpc-timeout': '99999999H' });
  expect(await whileHeld(fixture, web)).toContain('grpc-status: 0');
});

it('P7: a call whose batch is under way at its deadline is not told that it failed, and its order can be found', async () => {
  const fixture = await HttpFixture.open();
  const held = fixture.ledger.holdNext();
  const order = { storeId: 7, requestId: 'late' };
  // On a slow machine a short deadline may pass before the batch has begun.
  let late: ConnectAnswer | undefined;
  for (let ms = 100, isHeld = false; !isHeld; ms *= 4) {
    const call = callConnect(fixture, 'AllocateOrder', order, { 'connect-timeout-ms': String(ms) });
    isHeld = await Promise.race([held.begun.then(() => true), call.then(() => false)]);
    late = await call;
  }
  const { status, json } = late!;
  expect([status, json.code, json.details]).toEqual([504, 'deadline_exceeded', undefined]);
  held.release();
  const again = await callConnect(fixture, 'AllocateOrder', order);
  expect(again.json).toMatchObject({ allocation: { orderId: '1' }, replayed: true });
});

it('P7: an unknown outcome names the key that the server created, as trailing metadata, and when to retry', async () => {
  const fixture = await HttpFixture.open();
  fixture.ledger.failNext('not persisted');
  const { status, headers, json } = await callConnect(fixture, 'AllocateOrder', { storeId: 7 });
  expect([status, json.code, reasonOf(json)]).toEqual([503, 'unavailable', 'OUTCOME_UNKNOWN']);
  const key = headers['trailer-request-id'];
  expect(key).toMatch(/^[0-9a-f-]{36}$/);
  // A caller that sent no key cannot know that a retry is safe until it has read this one.
  expect(json.details!.map(({ type }) => type)).toEqual(['google.rpc.ErrorInfo']);
  fixture.ledger.failNext('not persisted');
  const keyed = await callConnect(fixture, 'AllocateOrder', { storeId: 7, requestId: key! });
  expect(keyed.json.details).toMatchObject([{}, { type: 'google.rpc.RetryInfo', debug: { retryDelay: '0.200s' } }]);
});

it('a stream ends at its deadline, and says so', async () => {
  const fixture = await HttpFixture.open();
  const { messages } = await streamConnect(fixture, 'WatchAllocations', {}, { 'connect-timeout-ms': '200' });
  expect((await messages.next()).value).toMatchObject({ cursor: '0' });
  expect((await messages.next()).value).toMatchObject({ end: { error: { code: 'deadline_exceeded' } } });
});

/** The keys of the orders that are numbered once one more call is answered. */
async function numberedWithNext(fixture: HttpFixture): Promise<string[]> {
  const patient = { 'connect-timeout-ms': '60000' };
  expect(await callConnect(fixture, 'AllocateOrder', { storeId: 7, requestId: 'next' }, patient)).toMatchObject({
    json: { allocation: { orderId: '1', orderNumber: '100' } },
  });
  return fixture.disk.rows.map(({ requestId }) => requestId);
}

/** What is answered if the commit takes longer than the shortest timer. */
async function whileHeld<Answer>(fixture: HttpFixture, call: () => Promise<Answer>): Promise<Answer> {
  const held = fixture.ledger.holdNext();
  const answer = call();
  await held.begun;
  await fixture.ask('/healthz');
  held.release();
  return answer;
}

async function streamed(
  fixture: HttpFixture,
  method: string,
  type: string,
  message: object,
  headers: Record<string, string> = {},
): Promise<string> {
  const answer = await fixture.ask(`${SERVICE_PATH}/${method}`, {
    method: 'POST',
    body: envelope(message),
    headers: { 'content-type': type, ...headers },
  });
  return answer.body;
}
