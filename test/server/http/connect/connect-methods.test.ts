import { describe, expect, it, vi } from 'vitest';
import { PATIENT } from './connect-client.ts';
import { HttpFixture, ORDER_PATH } from '../http-fixture.ts';
import { callConnect, reasonOf, SERVICE_PATH, streamConnect } from './connect-client.ts';

describe('Connect in JSON', () => {
  it('numbers an order, and replays it, under the same key as the other endpoint', async () => {
    const fixture = await HttpFixture.open();
    const first = await callConnect(fixture, 'AllocateOrder', { storeId: 7, requestId: 'cart-1' });
    expect(first).toMatchObject({
      status: 200,
      headers: { 'content-type': 'application/json' },
      json: {
        allocation: { orderId: '1', storeId: '7', orderNumber: '100', count: 1, requestId: 'cart-1', prefix: '' },
        replayed: false,
      },
    });
    const again = await callConnect(fixture, 'AllocateOrder', { store_id: '7', request_id: 'cart-1' });
    expect(again.json).toEqual({ ...first.json, replayed: true });
    expect((await fixture.order(7, { 'idempotency-key': 'cart-1' })).body).toBe(
      '{"OrderID":1,"OrderNumber":100,"StoreID":7}',
    );
    expect(fixture.ended.map(([transport, method, result]) => [transport, method, result])).toEqual([
      ['http', 'AllocateOrder', 'OK'],
      ['http', 'AllocateOrder', 'OK'],
      ['http', 'generateOrderNumber', 'OK'],
    ]);
  });

  it('keeps each id exact, as text', async () => {
    const fixture = await HttpFixture.open();
    const { json } = await callConnect(fixture, 'AllocateOrder', { storeId: '9007199254740993' });
    expect(json).toMatchObject({ allocation: { storeId: '9007199254740993' } });
  });

  it('refuses with the details that gRPC has, in a form that people can read', async () => {
    const fixture = await HttpFixture.open();
    const { status, json } = await callConnect(fixture, 'AllocateOrder', { storeId: 0 });
    expect({ status, ...json }).toMatchObject({
      status: 400,
      code: 'invalid_argument',
      message: 'store_id 0 is not valid: it must be 1 to 2^63-1',
      details: [
        { debug: { reason: 'STORE_ID_INVALID', domain: 'orders.v1', metadata: { store_id: '0' } } },
        { debug: { fieldViolations: [{ field: 'store_id' }] } },
      ],
    });
    expect(fixture.log).toMatchObject([{ method: 'AllocateOrder', reason: 'STORE_ID_INVALID', store_id: '0' }]);
  });

  it('refuses the header Idempotency-Key, which would be lost', async () => {
    const fixture = await HttpFixture.open();
    const headers = { 'idempotency-key': 'cart-1' };
    const { status, json } = await callConnect(fixture, 'AllocateOrder', { storeId: 7 }, headers);
    expect([status, reasonOf(json)]).toEqual([400, 'REQUEST_ID_INVALID']);
    expect(fixture.disk.rows).toEqual([]);
  });

  it('has no GET', async () => {
    const fixture = await HttpFixture.open();
    const query = `?encoding=json&message=${encodeURIComponent('{"storeId":7}')}`;
    expect(await fixture.ask(`${SERVICE_PATH}/GetStore${query}`)).toMatchObject({ code: 405 });
  });
});

describe('a stream over Connect', () => {
  it('has history, then what is allocated, and ends with DRAINING when the server stops', async () => {
    const fixture = await HttpFixture.open();
    await fixture.order(7);
    const { messages } = await streamConnect(fixture, 'WatchAllocations', { afterOrderId: 0 });
    const next = async () => (await messages.next()).value;
    expect(await next()).toMatchObject({ cursor: '0' });
    expect(await next()).toMatchObject({ allocations: [{ orderId: '1' }], cursor: '1' });
    await fixture.ask(ORDER_PATH, {
      method: 'POST',
      body: '{"store_id": 8}',
      headers: { 'content-type': 'application/json' },
    });
    expect(await next()).toMatchObject({ allocations: [{ orderId: '2', storeId: '8' }] });
    fixture.stopping.abort();
    const { error } = (await next())!['end'] as { error: Parameters<typeof reasonOf>[0] };
    expect([error.code, reasonOf(error)]).toEqual(['unavailable', 'DRAINING']);
  });

  it('ends when its client leaves', async () => {
    const fixture = await HttpFixture.open();
    const leave = new AbortController();
    const { messages } = await streamConnect(fixture, 'WatchAllocations', {}, {}, leave.signal);
    await messages.next();
    leave.abort();
    await vi.waitUntil(() => fixture.ended.length === 1, PATIENT);
    expect(fixture.ended).toEqual([['http', 'WatchAllocations', 'CANCELLED']]);
  });
});
