import { describe, expect, it } from 'vitest';
import type { Engine } from '../../support/engines/engines.ts';
import { connect, failureOf } from '../../support/clients/orders-client.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { ServerProcess } from '../../support/processes/server-process.ts';

/** What holds on every engine. SQLite's faults need gcc, so its suite runs with the tools. */
export function killedAfterCommitSuite(engine: Engine): void {
  describe(`on ${engine.name}`, () => {
    it('P4 P5: a server killed between its commit and its answer returns the same pair on a retry', async (test) => {
      const faulty = await engine.newFaultyLedger(test);
      const first = new ServerProcess(faulty.ledger, faulty.options);
      const before = connect(await first.serving());
      await before.allocateOrder({ storeId: 1n, requestId: 'answered' });
      await faulty.killAfterCommit(first);
      await failureOf(before.allocateOrder({ storeId: 1n, requestId: 'committed' }));
      expect(await first.exit()).toBe('SIGKILL');
      before.close();

      await faulty.makeAvailable();
      const after = connect(await new LocalServer(faulty.ledger).serving());
      expect(await after.allocateOrder({ storeId: 1n, requestId: 'committed' })).toMatchObject({
        allocation: { orderId: 2n, orderNumber: 101n },
        replayed: true,
      });
      after.close();
      expect(await engine.assertDense(faulty.ledger)).toHaveLength(2);
    });
  });
}
