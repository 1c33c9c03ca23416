import { status } from '@grpc/grpc-js';
import type { TestContext } from 'vitest';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Allocation } from '../../../src/wire/gen/orders/v1/orders.ts';
import type { Engine, FaultyLedger } from '../../support/engines/engines.ts';
import type { OrdersClient } from '../../support/clients/orders-client.ts';
import { connect, errorDetails, failureOf } from '../../support/clients/orders-client.ts';
import type { LocalServer } from '../../support/processes/local-server.ts';
import { newServer } from '../../support/processes/local-server.ts';
import type { ServerProcess } from '../../support/processes/server-process.ts';
import { until } from '../../support/until.ts';

/** What holds on every engine. SQLite's faults need gcc, so its suite runs with the tools. */
export function failedCommitSuite(engine: Engine): void {
  describe(`on ${engine.name}`, () => {
    it('P5 P7: after a failed commit the outcome is unknown, the row is gone, and a retry numbers it once', async (test) => {
      const { faulty, server, client } = await serveFaulty(engine, test);
      const health: string[] = [];
      client.watchHealth((serving) => health.push(serving));
      await client.allocateOrder({ storeId: 1n, requestId: 'before' });

      await faulty.failNextCommit();
      const error = await failureOf(client.allocateOrder({ storeId: 1n, requestId: 'failed' }));
      expect(error.code).toBe(status.UNAVAILABLE);
      expect(errorDetails(error)).toMatchObject({
        reason: 'OUTCOME_UNKNOWN',
        metadata: { store_id: '1', request_id: 'failed' },
      });
      expect(errorDetails(error)!.retryDelayMs).toBeGreaterThan(0);
      expect(error.metadata.get('request-id')).toEqual(['failed']);

      // Only a reopened ledger allocates another number.
      const next = await client.allocateOrder({ storeId: 1n, requestId: 'next' });
      expect(next.allocation).toMatchObject({ orderId: 2n, orderNumber: 101n });
      expect(health).toEqual(['SERVING', 'NOT_SERVING', 'SERVING']);
      // The log comes through a pipe of its own, and may arrive later than the answer.
      const opened = () =>
        server.log.filter(({ msg }) => /^(the ledger is open|created a new ledger)/.test(msg)).length;
      await until('it was opened twice', () => opened() === 2);
      expect(await requestIds(engine, faulty)).toEqual(['before', 'next']);

      const retried = await client.allocateOrder({ storeId: 1n, requestId: 'failed' });
      expect(retried).toMatchObject({ allocation: { orderId: 3n, orderNumber: 102n }, replayed: false });
      expect(await client.allocateOrder({ storeId: 1n, requestId: 'failed' })).toEqual({ ...retried, replayed: true });
      expect(await requestIds(engine, faulty)).toEqual(['before', 'next', 'failed']);
    });

    it('P7: a failed commit fails its whole batch and nothing else, and names the request_ids the server generated', async (test) => {
      const { faulty, client } = await serveFaulty(engine, test);
      await client.allocateOrder({ storeId: 1n, requestId: 'warm' });
      // While one commit hangs, everything else queues up for one batch.
      await faulty.holdCommits();
      const hanging = client.allocateOrder({ storeId: 1n, requestId: 'hanging' });
      await faulty.commitIsHeld();
      const batch = Array.from({ length: 10 }, (_, i) =>
        failureOf(client.allocateOrder({ storeId: BigInt(1 + i), requestId: '' })),
      );
      await client.checkHealth();
      await faulty.failNextCommit();
      await faulty.release();
      expect((await hanging).allocation).toMatchObject({ orderId: 2n, orderNumber: 101n });
      const errors = await Promise.all(batch);

      expect(errors.map((error) => error.code)).toEqual(errors.map(() => status.UNAVAILABLE));
      expect(new Set(errors.map((error) => errorDetails(error)?.reason))).toEqual(new Set(['OUTCOME_UNKNOWN']));
      // A caller without a request_id is not asked for a retry: it has to use this one.
      expect(new Set(errors.map((error) => errorDetails(error)?.retryDelayMs))).toEqual(new Set([undefined]));
      const made = errors.map((error) => String(error.metadata.get('request-id')[0]));
      expect(new Set(made).size).toBe(10);
      const retried = await Promise.all(
        made.map((requestId, i) => client.allocateOrder({ storeId: BigInt(1 + i), requestId })),
      );
      expect(retried.map(({ replayed }) => replayed)).toEqual(retried.map(() => false));
      expect((await requestIds(engine, faulty)).toSorted()).toEqual(['warm', 'hanging', ...made].toSorted());
    });

    if (engine.canBeFull) fullDisk(engine);
  });
}

function fullDisk(engine: Engine): void {
  it('P1 P2 P7: on a full disk calls are refused and burn nothing, and numbering continues when space is freed', async (test) => {
    const { faulty, client } = await serveFaulty(engine, test);
    await client.allocateOrder({ storeId: 1n, requestId: 'before' });

    await faulty.fillDisk();
    const ids = Array.from({ length: 6 }, (_, i) => `full-${i}`);
    const calls = ids.map((requestId, i) =>
      failureOf(client.allocateOrder({ storeId: BigInt(1 + (i % 2)), requestId })),
    );
    const refused = await Promise.all(calls);
    for (const error of refused) {
      // Only a full disk: the ledger proves that nothing was done.
      expect(error.code).toBe(status.RESOURCE_EXHAUSTED);
      expect(errorDetails(error)).toMatchObject({ reason: 'LEDGER_FULL' });
      expect(errorDetails(error)!.retryDelayMs).toBeGreaterThan(0);
    }
    expect(await requestIds(engine, faulty)).toEqual(['before']);

    await faulty.freeDisk();
    const answers: Allocation[] = [];
    for (const [i, requestId] of ids.entries()) {
      const { allocation, replayed } = await client.allocateOrder({ storeId: BigInt(1 + (i % 2)), requestId });
      expect(replayed).toBe(false);
      answers.push(allocation!);
    }
    expect(answers.map(({ orderId }) => orderId)).toEqual([2n, 3n, 4n, 5n, 6n, 7n]);
    expect(answers.map(({ orderNumber }) => orderNumber)).toEqual([101n, 100n, 102n, 101n, 103n, 102n]);
    expect(await requestIds(engine, faulty)).toEqual(['before', ...ids]);
  });
}

async function serveFaulty(engine: Engine, test: TestContext) {
  const faulty = await engine.newFaultyLedger(test);
  const server = newServer(faulty.ledger, faulty.options);
  return { faulty, server, client: await connectTo(server) };
}

async function connectTo(server: LocalServer | ServerProcess): Promise<OrdersClient> {
  const client = connect(await server.serving());
  onTestFinished(() => client.close());
  return client;
}

/** The request_ids of the rows in the ledger, which are dense, in order_id order. */
async function requestIds(engine: Engine, { ledger }: FaultyLedger): Promise<string[]> {
  return (await engine.assertDense(ledger)).map((row) => row.request_id);
}
