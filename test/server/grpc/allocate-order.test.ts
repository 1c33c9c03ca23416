import { status } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { INT64_MAX } from '../../../src/core/allocation.ts';
import type { Engine } from '../../support/engines/engines.ts';
import { ENGINES } from '../../support/engines/engines.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import type { OrdersClient } from '../../support/clients/orders-client.ts';
import { connect, errorDetails, failureOf } from '../../support/clients/orders-client.ts';
import { ServerProcess } from '../../support/processes/server-process.ts';

const BEYOND_DOUBLE = 9007199254740993n;
const MINUTE_MS = 60_000;

describe.each(ENGINES)('on $name', (engine) => {
  describe('numbers', () => {
    it('P1 P2: the first answer is order_id 1 and order_number 100, and each store numbers for itself', async () => {
      const { client, ledger } = await serve(engine);
      const asked = Date.now();
      const first = await client.allocateOrder({ storeId: 32913n, requestId: 'cart-1' });
      expect(first).toEqual({
        allocation: {
          orderId: 1n,
          storeId: 32913n,
          orderNumber: 100n,
          count: 1,
          displayNumber: '100',
          prefix: '',
          suffix: '',
          minDigits: 0,
          requestId: 'cart-1',
          caller: '',
          createTime: { seconds: expect.any(BigInt), nanos: expect.any(Number) },
        },
        replayed: false,
      });
      const { seconds, nanos } = first.allocation!.createTime!;
      expect(Math.abs(Number(seconds) * 1000 + nanos / 1e6 - asked)).toBeLessThan(MINUTE_MS);
      expect(nanos % 1_000_000).toBe(0);

      expect(await pairOf(client, 7n, 'cart-1')).toEqual([2n, 100n]);
      expect(await pairOf(client, 32913n, 'cart-2')).toEqual([3n, 101n]);
      expect(await engine.assertDense(ledger)).toHaveLength(3);
    });

    it('P1 P2: concurrent calls over several connections get every number once', async () => {
      const { clients, ledger } = await serve(engine, { connections: 4 });
      const calls = clients.flatMap((client, i) =>
        Array.from({ length: 50 }, (_, k) =>
          client.allocateOrder({ storeId: BigInt((k % 3) + 1), requestId: `${i}-${k}` }),
        ),
      );
      const answers = await Promise.all(calls);
      const orderIds = answers.map(({ allocation }) => allocation!.orderId).toSorted((a, b) => Number(a - b));
      expect(orderIds).toEqual(Array.from({ length: 200 }, (_, i) => BigInt(i + 1)));
      expect(answers.some(({ replayed }) => replayed)).toBe(false);
      expect(await engine.assertDense(ledger)).toHaveLength(200);
    });

    it('P3: create_time never falls, and a later call has the higher pair', async () => {
      const { client } = await serve(engine);
      const allocations = [];
      for (let i = 0; i < 20; i++) {
        allocations.push((await client.allocateOrder({ storeId: 7n, requestId: `r${i}` })).allocation!);
      }
      const times = allocations.map(({ createTime }) => Number(createTime!.seconds) * 1000 + createTime!.nanos / 1e6);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(allocations.map(({ orderNumber }) => orderNumber)).toEqual(allocations.map((_, i) => 100n + BigInt(i)));
    });

    it('P1: store ids are exact up to 2^63-1', async () => {
      const { client, ledger } = await serve(engine);
      for (const storeId of [BEYOND_DOUBLE - 1n, BEYOND_DOUBLE, BEYOND_DOUBLE + 1n, INT64_MAX - 1n, INT64_MAX]) {
        const { allocation } = await client.allocateOrder({ storeId, requestId: 'cart-1' });
        expect([allocation?.storeId, allocation?.orderNumber]).toEqual([storeId, 100n]);
      }
      expect((await engine.assertDense(ledger)).map((row) => row.store_id)).toContain(BEYOND_DOUBLE);
    });
  });

  describe('request_id', () => {
    it('P5: gets the same answer again, marked as replayed', async () => {
      const { client, ledger } = await serve(engine);
      const first = await client.allocateOrder({ storeId: 7n, requestId: 'cart-1' });
      await client.allocateOrder({ storeId: 7n, requestId: 'cart-2' });
      expect(await client.allocateOrder({ storeId: 7n, requestId: 'cart-1' })).toEqual({ ...first, replayed: true });
      expect(await engine.assertDense(ledger)).toHaveLength(2);
    });

    it('P5: gets one pair for copies racing over several connections, of which one is new', async () => {
      const { clients, ledger } = await serve(engine, { connections: 4 });
      const keys = Array.from({ length: 25 }, (_, i) => `cart-${i}`);
      const races = keys.map((requestId) =>
        Promise.all([...clients, ...clients].map((client) => client.allocateOrder({ storeId: 7n, requestId }))),
      );
      for (const answers of await Promise.all(races)) {
        expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
        expect(new Set(answers.map(({ allocation }) => JSON.stringify(allocation, asText)))).toHaveProperty('size', 1);
      }
      expect(await engine.assertDense(ledger)).toHaveLength(keys.length);
    });

    it('P5: gets the same answer after a restart, and after kill -9', async () => {
      const { client, ledger, server } = await serve(engine);
      const first = await client.allocateOrder({ storeId: BEYOND_DOUBLE, requestId: 'cart-1' });
      expect(await server.stop()).toBe(0);

      const second = await connectedTo(new ServerProcess(ledger), ledger);
      const again = { storeId: BEYOND_DOUBLE, requestId: 'cart-1' };
      expect(await second.client.allocateOrder(again)).toEqual({ ...first, replayed: true });
      expect(await pairOf(second.client, BEYOND_DOUBLE, 'cart-2')).toEqual([2n, 101n]);
      await second.server.kill();

      const third = await serve(engine, { ledger });
      expect(await third.client.allocateOrder(again)).toEqual({ ...first, replayed: true });
      expect(await pairOf(third.client, BEYOND_DOUBLE, 'cart-2')).toEqual([2n, 101n]);
      expect(await engine.assertDense(ledger)).toHaveLength(2);
    });

    it('is generated by the server if it is absent, and returned', async () => {
      const { client } = await serve(engine);
      const answers = await Promise.all([1, 2].map(() => client.allocateOrder({ storeId: 7n, requestId: '' })));
      const ids = answers.map(({ allocation }) => allocation!.requestId);
      for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(new Set(ids).size).toBe(2);
      const again = await client.allocateOrder({ storeId: 7n, requestId: ids[0]! });
      expect(again).toEqual({ ...answers[0], replayed: true });
    });

    it('P6: is required if the server is configured so', async () => {
      const { client, ledger } = await serve(engine, { args: ['--require-request-id'] });
      const error = await failureOf(client.allocateOrder({ storeId: 7n, requestId: '' }));
      expect(error.code).toBe(status.INVALID_ARGUMENT);
      expect(errorDetails(error)).toEqual({
        reason: 'REQUEST_ID_REQUIRED',
        domain: 'orders.v1',
        metadata: {},
        retryDelayMs: undefined,
        violations: [{ field: 'request_id', description: error.details, reason: 'REQUEST_ID_REQUIRED' }],
      });
      expect(await pairOf(client, 7n, 'cart-1')).toEqual([1n, 100n]);
      expect(await engine.assertDense(ledger)).toHaveLength(1);
    });
  });

  describe('bad input', () => {
    it('P6: a store_id that is not positive is refused', async () => {
      const { client, ledger } = await serve(engine);
      for (const storeId of [0n, -1n, -BEYOND_DOUBLE, -(2n ** 63n)]) {
        const error = await failureOf(client.allocateOrder({ storeId, requestId: 'cart-1' }));
        expect(error.code).toBe(status.INVALID_ARGUMENT);
        expect(error.details).toContain(`store_id ${storeId} is not valid`);
        expect(errorDetails(error)).toEqual({
          reason: 'STORE_ID_INVALID',
          domain: 'orders.v1',
          metadata: { store_id: String(storeId) },
          retryDelayMs: undefined,
          violations: [{ field: 'store_id', description: error.details, reason: 'STORE_ID_INVALID' }],
        });
      }
      expect(await engine.assertDense(ledger)).toEqual([]);
    });

    it('P6: a request_id of anything but 1 to 128 printable ASCII characters without a space is refused', async () => {
      const { client, ledger } = await serve(engine);
      const refused = [
        { requestId: 'r'.repeat(129), named: 'r'.repeat(128) },
        { requestId: 'r'.repeat(60_000), named: 'r'.repeat(128) },
        { requestId: 'cart 1', named: 'cart 1' },
        { requestId: ' cart-1', named: ' cart-1' },
        { requestId: 'cart-1\n', named: 'cart-1\n' },
        { requestId: 'cart\u0000', named: 'cart\u0000' },
        { requestId: 'cart\u007f', named: 'cart\u007f' },
        { requestId: 'Körbchen', named: 'Körbchen' },
        { requestId: '€'.repeat(100), named: '€'.repeat(42) },
      ];
      for (const { requestId, named } of refused) {
        const error = await failureOf(client.allocateOrder({ storeId: 7n, requestId }));
        expect(error.code).toBe(status.INVALID_ARGUMENT);
        expect(errorDetails(error)).toEqual({
          reason: 'REQUEST_ID_INVALID',
          domain: 'orders.v1',
          metadata: { request_id: named },
          retryDelayMs: undefined,
          violations: [{ field: 'request_id', description: error.details, reason: 'REQUEST_ID_INVALID' }],
        });
      }
      expect(await engine.assertDense(ledger)).toEqual([]);
    });

    it('request_ids of 1 and of 128 characters, and every printable character, are kept as they are', async () => {
      const { client } = await serve(engine);
      const printable = Array.from({ length: 0x7e - 0x20 }, (_, i) => String.fromCharCode(0x21 + i)).join('');
      for (const requestId of ['!', 'r'.repeat(128), printable]) {
        expect((await client.allocateOrder({ storeId: 7n, requestId })).allocation?.requestId).toBe(requestId);
      }
    });
  });

  it('P6: a full queue refuses, burns nothing, and asks only callers that sent a request_id to retry', async () => {
    const { client, ledger } = await serve(engine, { args: ['--max-queue', '1', '--max-batch', '1'] });
    const keys = Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? `cart-${i}` : ''));
    const results = await Promise.all(
      keys.map((requestId) =>
        client.allocateOrder({ storeId: 7n, requestId }).then(
          () => undefined,
          (error: unknown) => failureOf(Promise.reject(error)),
        ),
      ),
    );
    const refused = results.map((error, i) => ({ error, hadKey: keys[i] !== '' })).filter(({ error }) => error);
    expect(refused.length).toBeGreaterThan(0);
    for (const { error, hadKey } of refused) {
      expect(error!.code).toBe(status.RESOURCE_EXHAUSTED);
      const details = errorDetails(error!);
      expect(details).toMatchObject({ reason: 'QUEUE_FULL', domain: 'orders.v1' });
      expect(details?.retryDelayMs !== undefined).toBe(hadKey);
    }
    expect(await engine.assertDense(ledger)).toHaveLength(keys.length - refused.length);
  });
});

interface Options {
  readonly ledger?: string;
  readonly args?: readonly string[];
  readonly connections?: number;
}

async function serve(engine: Engine, { ledger: given, args = [], connections = 1 }: Options = {}) {
  const ledger = given ?? (await engine.newLedger());
  return connectedTo(new LocalServer(ledger, { args }), ledger, connections);
}

async function connectedTo<Server extends LocalServer | ServerProcess>(
  server: Server,
  ledger: string,
  connections = 1,
) {
  const address = await server.serving();
  const clients = Array.from({ length: connections }, () => connect(address));
  onTestFinished(() => clients.forEach((client) => client.close()));
  return { server, ledger, clients, client: clients[0]! };
}

async function pairOf(client: OrdersClient, storeId: bigint, requestId: string) {
  const { allocation } = await client.allocateOrder({ storeId, requestId });
  return [allocation?.orderId, allocation?.orderNumber];
}

function asText(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
