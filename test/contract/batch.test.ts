import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { Allocation, BatchAllocateOrdersResult } from '../../src/wire/gen/orders/v1/orders.ts';
import type { Engine } from '../support/engines/engines.ts';
import { ENGINES } from '../support/engines/engines.ts';
import { errorDetails, failureOf, statusDetails } from '../support/clients/orders-client.ts';
import { DYNAMODB } from '../support/engines/dynamodb-engine.ts';
import { POSTGRES } from '../support/engines/postgres-engine.ts';
import { batchFaultsSuite } from './batch-faults-suite.ts';
import { serveOn } from './contract-faults-suite.ts';

// BatchAllocateOrders, rule by rule, through a real server on each engine.

type Result = BatchAllocateOrdersResult['result'];

batchFaultsSuite(POSTGRES);
batchFaultsSuite(DYNAMODB);

describe.each(ENGINES)('a batch on $name', (engine) => {
  it('P1 P2 P3: results are in the order of the requests, and so are the new pairs inside each store', async () => {
    const { client, ledger } = await serve(engine);
    await client.allocate(7n);
    const requests = Array.from({ length: 1000 }, (_, i) => ({
      storeId: BigInt(7 + (i % 3)),
      count: 1 + (i % 4),
      requestId: `order-${i}`,
    }));
    const results = await client.batch(...requests);
    const next = new Map([[7n, 101n]]);
    let orderId = 2n;
    const expected: object[] = [];
    for (const request of requests) {
      const orderNumber = next.get(request.storeId) ?? 100n;
      expected.push({ ...request, orderId, orderNumber });
      next.set(request.storeId, orderNumber + BigInt(request.count));
      orderId += BigInt(request.count);
    }
    expect(results.map(allocationOf)).toMatchObject(expected);
    expect(results).toHaveLength(1000);
    await engine.assertDense(ledger);
  });

  it('P6: a bad request has the status that it has alone, and does not touch its neighbors', async () => {
    const { client, ledger } = await serve(engine, '--auto-create-stores=false');
    await client.createStore({ storeId: 7n });
    await client.createStore({ storeId: 9n, firstNumber: 2n ** 63n - 1n });
    await client.allocate(7n, 2, 'used');
    await client.allocate(9n, 1);
    const bad = [
      { storeId: 0n },
      { count: 0 },
      { count: 1001 },
      { requestId: 'a b' },
      { requestId: 'used', count: 3 },
      { storeId: 8n, requestId: 'no-store' },
      { storeId: 9n, requestId: 'no-number' },
    ];
    const requests = bad.flatMap((request, i) => [{ requestId: `good-${i}` }, request]);
    const results = await client.batch(...requests);
    for (const [i, request] of bad.entries()) {
      const alone = await failureOf(client.allocate(request.storeId ?? 7n, request.count, request.requestId));
      expect(statusIn(results[2 * i + 1])).toEqual([alone.code, alone.details, errorDetails(alone)]);
      expect(allocationOf(results[2 * i])).toMatchObject({ requestId: `good-${i}`, orderNumber: BigInt(102 + i) });
    }
    expect(await engine.assertDense(ledger)).toHaveLength(2 + bad.length);
  });

  it('P5: two requests with one key are racing copies: one is new and one replayed, and another count is refused', async () => {
    const { client } = await serve(engine);
    const one = { requestId: 'a', count: 2 };
    const results = await client.batch(one, { ...one, storeId: 8n }, one, { ...one, count: 3 });
    expect(results.map(replayedOf)).toEqual([false, false, true, undefined]);
    expect(allocationOf(results[2])).toEqual(allocationOf(results[0]));
    expect(allocationOf(results[1])).toMatchObject({ storeId: 8n, orderNumber: 100n });
    expect(reasonOf(results[3])).toBe('REQUEST_ID_MISMATCH');
  });

  it('P5: the same batch again is replayed, whole', async () => {
    const { client } = await serve(engine);
    const requests = Array.from({ length: 50 }, (_, i) => ({ requestId: `order-${i}` }));
    const first = await client.batch(...requests);
    const again = await client.batch(...requests.toReversed());
    expect(again.map(replayedOf)).toEqual(requests.map(() => true));
    expect(again.map(allocationOf)).toEqual(first.map(allocationOf).toReversed());
    expect((await client.allocate(7n)).allocation.orderId).toBe(51n);
  });

  it('P6: a full queue refuses the requests that do not fit, each by its own status', async () => {
    const { client, ledger } = await serve(engine, '--max-queue', '3');
    const requests = Array.from({ length: 5 }, (_, i) => ({ requestId: i === 4 ? '' : `order-${i}` }));
    const results = await client.batch(...requests);
    expect(results.slice(0, 3).map((result) => allocationOf(result)?.orderId)).toEqual([1n, 2n, 3n]);
    expect(results.slice(3).map(reasonOf)).toEqual(['QUEUE_FULL', 'QUEUE_FULL']);
    // A retry is right only with a key.
    expect(results.slice(3).map((result) => statusIn(result)?.[2]?.retryDelayMs)).toEqual([100, undefined]);
    expect(await engine.assertDense(ledger)).toHaveLength(3);
  });

  it('P6: no request, and more than 1000, are BATCH_SIZE_INVALID for the whole call', async () => {
    const { client, ledger } = await serve(engine);
    for (const size of [0, 1001]) {
      const error = await failureOf(client.batch(...Array.from({ length: size }, () => ({}))));
      expect([status[error.code], error.details]).toEqual([
        'INVALID_ARGUMENT',
        expect.stringContaining(`a batch of ${size} requests`),
      ]);
      expect(errorDetails(error)?.violations).toMatchObject([{ field: 'requests' }]);
    }
    expect(await engine.assertDense(ledger)).toEqual([]);
  });

  it('fits 1000 requests and results of the largest size', async () => {
    const { client } = await serve(engine);
    const storeId = 2n ** 63n - 1n;
    const style = { prefix: 'p'.repeat(32), suffix: 's'.repeat(32), minDigits: 19 };
    await client.createStore({ storeId, firstNumber: 2n ** 62n, ...style });
    const requests = Array.from({ length: 1000 }, (_, i) => ({ storeId, count: 1000, requestId: keyOf(i) }));
    const results = await client.batch(...requests);
    expect(results.map((result) => allocationOf(result)?.requestId)).toEqual(requests.map((_, i) => keyOf(i)));
    const refused = await client.batch(...requests.map((request) => ({ ...request, count: 999 })));
    expect(refused.map(reasonOf)).toEqual(requests.map(() => 'REQUEST_ID_MISMATCH'));
  });

  it('requires a request_id of each request if the server does', async () => {
    const { client } = await serve(engine, '--require-request-id');
    expect((await client.batch({ requestId: 'a' }, {})).map(reasonOf)).toEqual([undefined, 'REQUEST_ID_REQUIRED']);
  });
});

function serve(engine: Engine, ...args: string[]) {
  return engine.newLedger().then((ledger) => serveOn(ledger, { args }));
}

/** As long as a key may be. */
function keyOf(i: number): string {
  return String(i).padStart(128, 'k');
}

function allocationOf(result: Result | undefined): Allocation | undefined {
  return result?.$case === 'response' ? result.value.allocation : undefined;
}

function replayedOf(result: Result | undefined): boolean | undefined {
  return result?.$case === 'response' ? result.value.replayed : undefined;
}

/** As the status of a call: its code, message and details. */
function statusIn(result: Result | undefined) {
  if (result?.$case !== 'status') return undefined;
  return [result.value.code, result.value.message, statusDetails(result.value)] as const;
}

function reasonOf(result: Result | undefined): string | undefined {
  return statusIn(result)?.[2]?.reason;
}
