import { join } from 'node:path';
import type { ClientProcess } from '../generators/client-load.ts';
import { OUR_CLIENT, requireAnswers, startClient } from '../generators/client-load.ts';
import { densityOf } from '../ledgers/density.ts';
import type { Density, Peer, RunningPeer } from '../peer.ts';
import { startCounting } from '../processes/processor-time.ts';
import { ServerProcess } from '../processes/server-process.ts';
import { clientBefore, missingBefore } from './client-before.ts';

/** So many that two orders of one batch rarely have the same store. */
export const STORES = 1000;
const LEVELS = [{ inFlight: 1 }, { inFlight: 64 }, { inFlight: 400 }, { inFlight: 2000 }];

export const COMBINED = clientPeer('client', 'client.allocate(), which combines what is asked for at the same time');
export const SINGLE: Peer = {
  ...COMBINED,
  name: 'client-single',
  work: 'the same client with one call per order',
  start: (folder) => startSqlite(folder, { combine: false }),
};
export const BEFORE: Peer = {
  ...COMBINED,
  name: 'client-before',
  work: 'the client of the commit before it could combine, with the server of today',
  missing: missingBefore,
  start: async (folder) => startSqlite(folder, { module: await clientBefore() }),
};

function clientPeer(name: string, work: string): Peer {
  return { name, work, levels: LEVELS, missing: async () => undefined, start: (folder) => startSqlite(folder, {}) };
}

async function startSqlite(folder: string, client: { module?: string; combine?: boolean }): Promise<RunningPeer> {
  const ledger = join(folder, 'orders.db');
  const server = await ServerProcess.serve(ledger);
  return loadedByClient(server, startClient(server.address, { module: OUR_CLIENT, ...client }), async () =>
    densityOf(ledger),
  );
}

/** A server that one process with a client loads; `check` reads its ledger. */
export function loadedByClient(
  server: ServerProcess,
  client: ClientProcess,
  check: () => Promise<Density>,
  stores = STORES,
): RunningPeer {
  return {
    async load({ inFlight }, orders) {
      const spent = startCounting(server.pid);
      const result = await client.ask({ inFlight, orders, stores });
      requireAnswers(result, orders);
      const { answered, ms, p50Ms, p99Ms, generatorMicros } = result;
      return { answered, perSecond: (orders / ms) * 1000, p50Ms, p99Ms, generatorMicros, ...spent(orders) };
    },
    check,
    async stop() {
      await client.end();
      await server.stop();
    },
    async kill() {
      await client.end();
      await server.kill();
    },
  };
}
