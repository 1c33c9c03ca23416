import { join } from 'node:path';
import { createClient } from '../../src/client/index.ts';
import type { PostgresCluster } from '../../test/support/postgres/cluster/cluster.ts';
import { startClient } from '../generators/client-load.ts';
import { densityOf } from '../ledgers/density.ts';
import { COMBINED, loadedByClient } from '../ours/client-peers.ts';
import type { Density, Peer } from '../peer.ts';
import { ServerProcess } from '../processes/server-process.ts';
import type { NumberingPeer, OrderClient } from './order-client.ts';
import { startInFolder } from './postgres/cluster-in-folder.ts';
import { readDensity } from './postgres/postgres-density.ts';

const LEVELS: Peer['levels'] = [{ inFlight: 2000 }];

/** Our server and client on SQLite. */
export const client: NumberingPeer = {
  ...COMBINED,
  levels: LEVELS,
  async start(folder) {
    const ledger = join(folder, 'orders.db');
    const server = await ServerProcess.serve(ledger);
    return {
      ...loadedByClient(server, startClient(server.address), async () => densityOf(ledger)),
      connect: () => connectTo(server),
    };
  },
};

/** The same on PostgreSQL; a kill ends the database and the server. */
export const clientOnPostgres: NumberingPeer = {
  name: 'client-postgres',
  work: `${COMBINED.work}, with a server on PostgreSQL`,
  levels: LEVELS,
  missing: async () => undefined,
  async start(folder) {
    const cluster = await startInFolder(folder);
    const server = await ServerProcess.serve(cluster.url());
    const running = loadedByClient(server, startClient(server.address), () => densityOn(cluster));
    return {
      ...running,
      connect: () => connectTo(server),
      async stop() {
        await running.stop();
        await cluster.stop();
      },
      async kill() {
        await Promise.all([cluster.kill(), running.kill()]);
      },
    };
  },
};

async function connectTo(server: ServerProcess): Promise<OrderClient> {
  const orders = createClient({ address: server.address });
  return {
    async number({ storeId, requestId }) {
      const { orderId, orderNumber } = await orders.allocate({ storeId, requestId });
      return { orderId: Number(orderId), orderNumber: Number(orderNumber) };
    },
    close: async () => orders.close(),
  };
}

async function densityOn(cluster: PostgresCluster): Promise<Density> {
  const rows = await cluster.query('SELECT order_id, store_id, order_number FROM order_numbers.allocations');
  const counters = await cluster.query(`
    SELECT NULL::bigint AS store_id, first_order_id AS first, last_order_id AS last FROM order_numbers.ledger
    UNION ALL SELECT store_id, first_number, last_number FROM order_numbers.stores`);
  return readDensity(rows, counters);
}
