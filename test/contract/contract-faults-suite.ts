import { status } from '@grpc/grpc-js';
import { describe, expect, it, vi } from 'vitest';
import type { Engine } from '../support/engines/engines.ts';
import { GrpcClient } from '../support/clients/grpc-client.ts';
import { errorDetails, failureOf } from '../support/clients/orders-client.ts';
import { newServer } from '../support/processes/local-server.ts';
import type { ServeOptions } from '../support/processes/server-process.ts';

/** The statuses that only a fault causes. SQLite's faults need gcc, so its suite runs with the tools. */
export function contractFaultsSuite(engine: Engine): void {
  describe(`on ${engine.name}`, () => {
    it('RESOURCE_EXHAUSTED QUEUE_FULL, UNAVAILABLE DRAINING', async (test) => {
      const faulty = await engine.newFaultyLedger(test);
      const { client, server } = await serveOn(faulty.ledger, { ...faulty.options, args: ['--max-queue', '1'] });
      await client.allocate(7n);
      await faulty.holdCommits();
      const inFlight = client.allocate(7n);
      await faulty.commitIsHeld();
      // One of the two waits for its batch, the other finds the queue full.
      const calls = [client.allocate(7n), client.allocate(7n)];
      expect(await statusOf(Promise.race(calls))).toEqual(['RESOURCE_EXHAUSTED', 'QUEUE_FULL']);
      void server.stop();
      await server.line('draining');
      expect(await statusOf(client.allocate(7n, 1, 'late'))).toEqual(['UNAVAILABLE', 'DRAINING']);
      await faulty.release();
      await inFlight;
      const ends = await Promise.allSettled(calls);
      expect(ends.map(({ status: end }) => end).toSorted()).toEqual(['fulfilled', 'rejected']);
    });

    if (engine.canBeFull) fullDisk(engine);

    it('UNAVAILABLE OUTCOME_UNKNOWN', async (test) => {
      const faulty = await engine.newFaultyLedger(test);
      const { client } = await serveOn(faulty.ledger, faulty.options);
      await client.allocate(7n);
      await faulty.failNextCommit();
      expect(await statusOf(client.allocate(7n, 1, 'a'))).toEqual(['UNAVAILABLE', 'OUTCOME_UNKNOWN']);
      expect((await client.allocate(7n, 1, 'a')).allocation).toMatchObject({ orderId: 2n, orderNumber: 101n });
    });

    it('UNAVAILABLE LEDGER_REOPENING for a read, while writes wait', async (test) => {
      const faulty = await engine.newFaultyLedger(test);
      const { client } = await serveOn(faulty.ledger, faulty.options);
      await client.allocate(7n);
      await faulty.makeUnavailable();
      // Its outcome depends on the engine: another server may number it.
      const asked = Promise.allSettled([client.allocate(7n, 1, 'a')]);
      const reopening = ['UNAVAILABLE', 'LEDGER_REOPENING'];
      await vi.waitFor(async () => expect(await statusOf(client.listAllocations())).toEqual(reopening));
      expect(await statusOf(client.verify())).toEqual(reopening);
      const waiting = client.createStore({ storeId: 8n });
      await faulty.makeAvailable();
      expect((await waiting).storeId).toBe(8n);
      await asked;
      await client.allocate(7n, 1, 'a');
      expect((await client.listAllocations()).allocations).toHaveLength(2);
    });

    it('P7: a failed write of a store is an unknown outcome, and a retry writes it', async (test) => {
      const faulty = await engine.newFaultyLedger(test);
      const { client } = await serveOn(faulty.ledger, faulty.options);
      await client.createStore({ storeId: 7n });
      await faulty.failNextCommit();
      expect(await statusOf(client.updateStore({ storeId: 7n, prefix: 'A' }, 'prefix'))).toEqual([
        'UNAVAILABLE',
        'OUTCOME_UNKNOWN',
      ]);
      expect(await client.updateStore({ storeId: 7n, prefix: 'A' }, 'prefix')).toMatchObject({ prefix: 'A' });
    });
  });
}

function fullDisk(engine: Engine): void {
  it('RESOURCE_EXHAUSTED LEDGER_FULL', async (test) => {
    const faulty = await engine.newFaultyLedger(test);
    const { client } = await serveOn(faulty.ledger, faulty.options);
    await client.allocate(7n);
    await faulty.fillDisk();
    expect(await statusOf(client.allocate(7n, 1, 'a'))).toEqual(['RESOURCE_EXHAUSTED', 'LEDGER_FULL']);
    await faulty.freeDisk();
    expect(await client.allocate(7n, 1, 'a')).toMatchObject({ allocation: { orderId: 2n }, replayed: false });
  });
}

export async function statusOf(
  call: Promise<unknown>,
): Promise<[code: string | undefined, reason: string | undefined]> {
  const error = await failureOf(call);
  return [status[error.code], errorDetails(error)?.reason];
}

export async function serveOn(ledger: string, { args = [], ...options }: ServeOptions) {
  const server = newServer(ledger, { ...options, args: ['--http-listen', 'off', ...args] });
  const address = await server.serving();
  return { ledger, server, address, client: new GrpcClient(address) };
}
