import { expect, it, onTestFinished, vi } from 'vitest';
import { startHttpServer } from '../../../src/server/http/http-server.ts';
import type { HttpServerOptions } from '../../../src/server/http/http-server.ts';
import { LedgerState } from '../../../src/core/ledger-state.ts';
import { HttpFixture, ORDER_PATH } from './http-fixture.ts';

const LIMIT_MS = 200;

it('P6: an order that waits longer than the limit gets the reason and its key, and is not numbered', async () => {
  const { fixture, order, state } = await newFixture();
  state.closed('disk full', '/data/orders.db: no space left');
  const reopening = fixture.ledger.startReopening();
  const started = performance.now();
  const answer = await order('cart-1');
  expect(performance.now() - started).toBeGreaterThanOrEqual(LIMIT_MS - 1);
  expect([answer.status, answer.headers.get('retry-after'), answer.headers.get('idempotency-key')]).toEqual([
    503,
    '1',
    'cart-1',
  ]);
  expect(await answer.json()).toEqual({
    message: 'no number within 0.2 s; retry with the same Idempotency-Key (the ledger is closed: disk full)',
    reason: 'CANCELLED',
  });
  expect(fixture.allocator.queueLength).toBe(0);
  expect(fixture.ended).toEqual([['http', 'generateOrderNumber', 'CANCELLED']]);
  state.opened();
  reopening.resolve();
  expect(await (await order('cart-1')).json()).toMatchObject({ OrderID: 1 });
  expect(fixture.disk.rows).toHaveLength(1);
});

it('P5 P7: an order whose batch is in flight gets an unknown outcome, and the same number when it retries', async () => {
  const { fixture, order } = await newFixture();
  const held = fixture.ledger.holdNext();
  const answer = await order('cart-1');
  expect([answer.status, answer.headers.get('retry-after'), answer.headers.get('idempotency-key')]).toEqual([
    503,
    '1',
    'cart-1',
  ]);
  expect(await answer.json()).toMatchObject({ reason: 'OUTCOME_UNKNOWN' });
  held.release();
  await vi.waitFor(() => expect(fixture.disk.rows).toHaveLength(1));
  const again = await order('cart-1');
  expect([again.headers.get('idempotency-replayed'), await again.json()]).toEqual([
    'true',
    { OrderID: 1, OrderNumber: 100, StoreID: 7 },
  ]);
  expect(fixture.log.filter(({ err }) => err !== undefined)).toEqual([]);
  // Its own answer comes too late, and is not a second one.
  expect(fixture.ended.map(([, , result]) => result)).toEqual(['OUTCOME_UNKNOWN', 'OK']);
});

it('an order answered in time leaves no timer', async () => {
  const { order } = await newFixture({ requestTimeoutMs: 60_000 });
  expect((await order('cart-1')).status).toBe(200);
});

it('/readyz reports why the server is not serving', async () => {
  const { fixture, url } = await newFixture({ whyNotServing: () => ({ reason: 'disk full', ledger: 'orders.db' }) });
  fixture.isServing = false;
  const answer = await fetch(`${url}/readyz`);
  expect([answer.status, await answer.text()]).toEqual([
    503,
    '{"status":"not serving","reason":"disk full","ledger":"orders.db"}',
  ]);
});

async function newFixture(changed: Partial<HttpServerOptions> = {}) {
  const fixture = await HttpFixture.open();
  const state = new LedgerState();
  state.opened();
  const server = await startHttpServer({ ...fixture.options, requestTimeoutMs: LIMIT_MS, state, ...changed });
  onTestFinished(() => server.close(0));
  const url = `http://127.0.0.1:${server.address.port}`;
  const order = (key: string) =>
    fetch(`${url}${ORDER_PATH}`, {
      method: 'POST',
      body: '{"store_id": 7}',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
    });
  return { fixture, state, url, order };
}
