import type { ClientUnaryCall } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { GrpcClient } from '../support/clients/grpc-client.ts';
import type { Engine } from '../support/engines/engines.ts';
import { failureOf, statusDetails } from '../support/clients/orders-client.ts';
import type { BatchAllocateOrdersResult } from '../../src/wire/gen/orders/v1/orders.ts';
import { serveOn, statusOf } from './contract-faults-suite.ts';

/** What becomes of a batch by faults. SQLite's faults need gcc, so its suite runs with the tools. */
export function batchFaultsSuite(engine: Engine): void {
  describe(`a batch on ${engine.name}, with faults`, () => {
    it('P7: each result is OUTCOME_UNKNOWN with its request_id, made or given, and a retry gets its pairs', async (test) => {
      const faulty = await engine.newFaultyLedger(test);
      const { client } = await serveOn(faulty.ledger, faulty.options);
      await client.allocate(7n);
      await faulty.failNextCommit();
      const results = await client.batch({ requestId: 'a' }, {}, { storeId: 0n }, { requestId: 'b' });
      const infos = results.map((result) => (result?.$case === 'status' ? statusDetails(result.value) : undefined));
      const unknown = 'OUTCOME_UNKNOWN';
      expect(infos.map((info) => info?.reason)).toEqual([unknown, unknown, 'STORE_ID_INVALID', unknown]);
      const keys = infos.map((info) => info?.metadata['request_id'] ?? '');
      expect(keys).toEqual(['a', expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f-]{27}$/), '', 'b']);
      // Only a caller that sent a key is told to retry by itself.
      expect(infos.map((info) => info?.retryDelayMs)).toEqual([200, undefined, undefined, 200]);
      const again = await client.batch({ requestId: keys[0]! }, { requestId: keys[1]! }, { requestId: keys[3]! });
      expect(again.map((result) => result?.$case === 'response' && result.value.allocation?.orderNumber)).toEqual([
        101n,
        102n,
        103n,
      ]);
    });

    it('P6: requests count one by one in the queue, and cancellation drops those that are in no ledger batch', async (test) => {
      const faulty = await engine.newFaultyLedger(test);
      const { client, server } = await serveOn(faulty.ledger, { ...faulty.options, args: ['--max-queue', '3'] });
      const { metrics } = await server.line('serving');
      await client.allocate(7n);
      await faulty.holdCommits();
      const inFlight = client.allocate(7n, 1, 'in-flight');
      await faulty.commitIsHeld();
      const [call, gone] = callBatch(client, ['a', 'b', 'c']);
      expect(await statusOf(client.allocate(7n, 1, 'd'))).toEqual(['RESOURCE_EXHAUSTED', 'QUEUE_FULL']);
      call.cancel();
      expect((await failureOf(gone)).code).toBe(status.CANCELLED);
      // The server sees the cancellation a little later than the client.
      const figures = async () => (await fetch(`http://${String(metrics)}/metrics`)).text();
      await expect.poll(figures).toMatch(/^order_numbers_queue_length 0$/m);
      await faulty.release();
      await inFlight;
      await client.batch({ requestId: 'after' });
      const rows = await engine.assertDense(faulty.ledger);
      expect(rows.map(({ request_id: key }) => key).slice(1)).toEqual(['in-flight', 'after']);
    });

    it('P6: a batch that comes while the server drains is DRAINING as a whole', async (test) => {
      const faulty = await engine.newFaultyLedger(test);
      const { client, server } = await serveOn(faulty.ledger, faulty.options);
      await client.allocate(7n);
      await faulty.holdCommits();
      const inFlight = client.batch({ requestId: 'in-flight' }, { storeId: 0n });
      await faulty.commitIsHeld();
      void server.stop();
      await server.line('draining');
      expect(await statusOf(client.batch({ requestId: 'late' }, { storeId: 0n }))).toEqual(['UNAVAILABLE', 'DRAINING']);
      await faulty.release();
      expect((await inFlight).map(reasonOf)).toEqual([undefined, 'STORE_ID_INVALID']);
    });
  });
}

function callBatch(client: GrpcClient, keys: readonly string[]): [ClientUnaryCall, Promise<unknown>] {
  const requests = keys.map((requestId) => ({ storeId: 7n, count: 1, requestId }));
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const call = client.stub.batchAllocateOrders({ requests }, (error, answer) =>
    error ? reject(error) : resolve(answer),
  );
  promise.catch(() => {});
  return [call, promise];
}

function reasonOf(result: BatchAllocateOrdersResult['result']): string | undefined {
  return result?.$case === 'status' ? statusDetails(result.value)?.reason : undefined;
}
