import { status } from '@grpc/grpc-js';
import { existsSync } from 'node:fs';
import type { TestContext } from 'vitest';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Engine, FaultyLedger } from '../../support/engines/engines.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import type { OrdersClient } from '../../support/clients/orders-client.ts';
import { connect, errorDetails, failureOf } from '../../support/clients/orders-client.ts';
import type { Patch } from '../../support/patched-modules.ts';
import { patchedBy } from '../../support/patched-modules.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { ServerProcess } from '../../support/processes/server-process.ts';

const QUEUED = 50;

/** What holds on every engine. SQLite's faults need gcc, so its suite runs with the tools. */
export function drainSuite(engine: Engine): void {
  describe(`on ${engine.name}`, () => {
    it('P6: SIGTERM answers all accepted calls, refuses later ones, and waits for no open stream', async (test) => {
      const { faulty, server, client, address } = await serveFaulty(engine, test);
      const idle = connectTo(address);
      const health: string[] = [];
      idle.watchHealth((serving) => health.push(serving));
      await vi.waitFor(() => expect(health).toEqual(['SERVING']));
      const accepted = await acceptCalls(client, faulty);

      server.child.kill('SIGTERM');
      const draining = await server.line('draining');
      expect(draining['waiting']).toBe(QUEUED);
      const error = await failureOf(client.allocateOrder({ storeId: 1n, requestId: 'late' }));
      expect(error.code).toBe(status.UNAVAILABLE);
      expect(errorDetails(error)).toMatchObject({ reason: 'DRAINING' });
      expect(errorDetails(error)!.retryDelayMs).toBeGreaterThan(0);
      await vi.waitFor(() => expect(health).toEqual(['SERVING', 'NOT_SERVING']));

      await faulty.release();
      const answers = await Promise.all(accepted);
      expect(await server.exit()).toBe(0);
      expect(answers.map(({ allocation }) => allocation?.orderId)).toEqual(answers.map((_, i) => BigInt(i + 2)));
      // The checkpoint moved everything into the database: if that is a file, it alone is the whole ledger.
      expect(existsSync(`${faulty.ledger}-wal`)).toBe(false);
      expect(await engine.assertDense(faulty.ledger)).toHaveLength(1 + QUEUED + 1);
    });

    it('P7: a drain that takes too long ends the process, and tells each caller whether its outcome is unknown', async (test) => {
      const { faulty, server, client } = await serveFaulty(engine, test, ['--drain-timeout-ms', '1000']);
      const accepted = await acceptCalls(client, faulty);
      const errors = accepted.map((call) => failureOf(call));
      server.child.kill('SIGTERM');

      const [inFlight, ...waiting] = await Promise.all(errors);
      expect(inFlight!.code).toBe(status.UNAVAILABLE);
      expect(errorDetails(inFlight!)?.reason).toBe('OUTCOME_UNKNOWN');
      expect(inFlight!.metadata.get('request-id')).toEqual(['request-0']);
      expect(new Set(waiting.map((error) => errorDetails(error)?.reason))).toEqual(new Set(['DRAINING']));
      expect(await server.exit()).not.toBe(0);
      expect(server.said()).toContain('the drain timed out');

      await faulty.release();
      const next = connectTo(await new LocalServer(faulty.ledger).serving());
      const retried = await next.allocateOrder({ storeId: 1n, requestId: 'request-0' });
      expect(retried.allocation).toMatchObject({ orderId: 2n, orderNumber: 101n });
      expect(faulty.heldMayBeReplayed).toContain(retried.replayed);
      expect(await engine.assertDense(faulty.ledger)).toHaveLength(2);
    });

    it('a second signal half a second after the first ends it at once', async (test) => {
      const { faulty, server, client } = await serveFaulty(engine, test);
      const accepted = await acceptCalls(client, faulty);
      const errors = accepted.map((call) => failureOf(call));
      server.child.kill('SIGTERM');
      await server.line('draining');
      let ended: number | NodeJS.Signals | undefined;
      void server.exit().then((end) => (ended = end));
      await vi.waitUntil(() => ended !== undefined || void server.child.kill('SIGTERM'), { interval: 20 });
      expect(ended).not.toBe(0);
      expect(server.said()).toContain('forced to stop');
      await Promise.all(errors);
    });

    it('P6: SIGTERM while the ledger cannot be opened yet ends the server, and waiting calls are asked to retry', async (test) => {
      const faulty = await engine.newFaultyLedger(test);
      const before = new LocalServer(faulty.ledger);
      const client = connectTo(await before.serving());
      for (const requestId of ['first', 'second']) await client.allocateOrder({ storeId: 1n, requestId });
      await before.stop();
      await faulty.makeUnavailable();

      const idle = new ServerProcess(faulty.ledger);
      await idle.line(/cannot be opened yet/);
      expect(await idle.stop()).toBe(0);

      const address = await freeAddress();
      const asked = new ServerProcess(faulty.ledger, {
        args: ['--grpc-listen', address, '--drain-timeout-ms', '1000'],
      });
      await asked.line(/cannot be opened yet/);
      const waiting = connectTo(address);
      await vi.waitFor(() => waiting.checkHealth());
      const error = failureOf(waiting.allocateOrder({ storeId: 1n, requestId: 'third' }));
      await waiting.checkHealth();
      asked.child.kill('SIGTERM');
      expect((await error).code).toBe(status.UNAVAILABLE);
      expect(errorDetails(await error)).toMatchObject({ reason: 'DRAINING' });
      await asked.exit();
      await faulty.makeAvailable();
      const rows = await engine.assertDense(faulty.ledger);
      expect(rows.map((row) => row.request_id)).toEqual(['first', 'second']);
    });
  });
}

/** How accepted calls end at a server that does not wait for them. */
export async function endsWithoutDrain(engine: Engine, test: TestContext) {
  const { faulty, server, client } = await serveFaulty(engine, test, [], patchedBy([NO_WAIT]));
  const accepted = await acceptCalls(client, faulty);
  server.child.kill('SIGTERM');
  const ends = await Promise.allSettled(accepted);
  await faulty.release();
  return ends;
}

const NO_WAIT: Patch = {
  file: 'src/server/server.ts',
  find: 'const isDrained = await allocator.drain(limitMs - closeMs);',
  replace: 'const isDrained = true;',
};

async function serveFaulty(engine: Engine, test: TestContext, args: readonly string[] = [], env = {}) {
  const faulty = await engine.newFaultyLedger(test);
  const { options } = faulty;
  const server = new ServerProcess(faulty.ledger, { ...options, args, env: { ...options.env, ...env } });
  const address = await server.serving();
  const client = connectTo(address);
  // The first commit after an opening also syncs the header of SQLite's WAL; the next one hangs with all its frames
  // written.
  await client.allocateOrder({ storeId: 1n, requestId: 'first' });
  return { faulty, server, address, client };
}

function connectTo(address: string): OrdersClient {
  const client = connect(address);
  onTestFinished(() => client.close());
  return client;
}

/** One call whose commit hangs until it is released, and others that wait behind it. */
async function acceptCalls(client: OrdersClient, faulty: FaultyLedger) {
  const call = (_: unknown, i: number) => client.allocateOrder({ storeId: 1n, requestId: `request-${i}` });
  await faulty.holdCommits();
  const hanging = call(undefined, 0);
  await faulty.commitIsHeld();
  const others = Array.from({ length: QUEUED }, (_, i) => call(_, i + 1));
  // Answered on the same connection after the calls above have arrived.
  await client.checkHealth();
  return [hanging, ...others];
}
