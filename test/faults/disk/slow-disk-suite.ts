import { describe, expect, it, onTestFinished } from 'vitest';
import type { Engine } from '../../support/engines/engines.ts';
import { connect } from '../../support/clients/orders-client.ts';
import { newServer } from '../../support/processes/local-server.ts';

/** What holds on every engine. SQLite's faults need gcc, so its suite runs with the tools. */
export function slowDiskSuite(engine: Engine): void {
  describe(`on ${engine.name}`, () => {
    it('P10: while a commit hangs, health checks and new connections are answered', async (test) => {
      const faulty = await engine.newFaultyLedger(test);
      const address = await newServer(faulty.ledger, faulty.options).serving();
      const client = connect(address);
      onTestFinished(() => client.close());
      await client.allocateOrder({ storeId: 1n, requestId: 'before' });

      await faulty.holdCommits();
      let isPending = true;
      const hanging = client.allocateOrder({ storeId: 1n, requestId: 'hanging' }).finally(() => (isPending = false));
      await faulty.commitIsHeld();
      // Another call waits behind it, in the queue.
      const queued = client.allocateOrder({ storeId: 1n, requestId: 'queued' });

      for (let i = 0; i < 5; i++) {
        expect(await client.checkHealth()).toBe('SERVING');
        const another = connect(address);
        onTestFinished(() => another.close());
        expect(await another.checkHealth()).toBe('SERVING');
      }
      expect(isPending).toBe(true);

      await faulty.release();
      expect((await hanging).allocation).toMatchObject({ orderId: 2n });
      expect((await queued).allocation).toMatchObject({ orderId: 3n });
      expect(await engine.assertDense(faulty.ledger)).toHaveLength(3);
    });
  });
}
