import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Engine } from '../../support/engines/engines.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import { connect } from '../../support/clients/orders-client.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { ServerProcess } from '../../support/processes/server-process.ts';

// PostgreSQL's is unavailable if no server answers, SQLite's only after a failed commit: ledger-away.tools.test.ts.

/** What holds on an engine whose ledger may be unavailable to a restarted server. */
export function ledgerAwaySuite(engine: Engine): void {
  describe(`on ${engine.name}`, () => {
    it('P4 P8: while the ledger is unavailable, a restarted server says so and lets allocations wait', async (test) => {
      const faulty = await engine.newFaultyLedger(test);
      const first = new ServerProcess(faulty.ledger, faulty.options);
      const before = connect(await first.serving());
      onTestFinished(() => before.close());
      await before.allocateOrder({ storeId: 1n, requestId: 'one' });
      await before.allocateOrder({ storeId: 1n, requestId: 'two' });
      await faulty.makeUnavailable();
      await first.kill();

      const address = await freeAddress();
      const second = new LocalServer(faulty.ledger, { args: ['--grpc-listen', address] });
      const after = connect(address);
      onTestFinished(() => after.close());
      expect((await second.line(/cannot be opened yet/)).msg).toMatch(faulty.unavailableReason);
      await vi.waitFor(async () => expect(await after.checkHealth()).toBe('NOT_SERVING'));
      let isPending = true;
      const replay = after.allocateOrder({ storeId: 1n, requestId: 'two' }).finally(() => (isPending = false));
      const fresh = after.allocateOrder({ storeId: 1n, requestId: 'three' });
      expect(await after.checkHealth('orders.v1.OrderNumberService')).toBe('NOT_SERVING');
      expect(isPending).toBe(true);

      await faulty.makeAvailable();
      expect(await second.serving()).toBe(address);
      expect(await replay).toMatchObject({ allocation: { orderId: 2n }, replayed: true });
      expect(await fresh).toMatchObject({ allocation: { orderId: 3n, orderNumber: 102n }, replayed: false });
      expect(await after.checkHealth()).toBe('SERVING');
      // Logged once, not at every attempt.
      expect(second.log.filter(({ msg }) => msg.includes('cannot be opened yet'))).toHaveLength(1);
      expect(await engine.assertDense(faulty.ledger)).toHaveLength(3);
    });
  });
}
