import { describe, expect, it } from 'vitest';
import type { Engine } from '../support/engines/engines.ts';
import { freeAddress } from '../support/network/free-address.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import type { ServeOptions } from '../support/processes/server-process.ts';
import { ServerProcess } from '../support/processes/server-process.ts';
import { clientOf } from './fake-server.ts';

/** What holds on every engine. SQLite's faults need gcc, so its suite runs with the tools. */
export function killedAfterCommitSuite(engine: Engine): void {
  describe(`on ${engine.name}`, () => {
    it.for([
      ['a caller gets the pair', 1],
      ['each caller of a combined call gets the pair', 3],
    ] as const)('P4 P5: %s that was committed before the server died without answering', async ([, callers], test) => {
      const faulty = await engine.newFaultyLedger(test);
      const address = await freeAddress();
      const first = await serveOn(address, faulty.ledger, faulty.options);
      const client = clientOf(address);
      await client.allocate({ storeId: 1 });
      await faulty.killAfterCommit(first);
      const allocated = Promise.all(Array.from({ length: callers }, () => client.allocate({ storeId: 1 })));
      expect(await first.exit()).toBe('SIGKILL');
      await faulty.makeAvailable();
      await new LocalServer(faulty.ledger, { args: ['--grpc-listen', address] }).serving();
      const pairs = (await allocated).map(({ orderId, orderNumber, replayed }) => [orderId, orderNumber, replayed]);
      expect(pairs).toEqual(Array.from({ length: callers }, (_, i) => [BigInt(2 + i), BigInt(101 + i), true]));
      expect(await engine.assertDense(faulty.ledger)).toHaveLength(1 + callers);
    });
  });
}

/** A server on this address, when it serves. */
export async function serveOn(address: string, ledger: string, options: ServeOptions = {}) {
  const server = new ServerProcess(ledger, { ...options, args: ['--grpc-listen', address] });
  await server.serving();
  return server;
}
