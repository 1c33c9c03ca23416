import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PoolClient } from 'pg';
import { Pool } from 'pg';
import type { PostgresCluster } from '../../../test/support/postgres/cluster/cluster.ts';
import type { Density, Level, LoadResult } from '../../peer.ts';
import { missingCommands } from '../missing-commands.ts';
import type { NumberingPeer, Order, OrderClient, Pair, RunningNumberingPeer } from '../order-client.ts';
import { startInFolder } from './cluster-in-folder.ts';
import { runPgbench } from './pgbench.ts';
import { readDensity } from './postgres-density.ts';

/** Connections of the client whose answers are compared before and after a kill. */
const CLIENT_CONNECTIONS = 16;

/** A way to number orders inside PostgreSQL, called directly, without our server. */
export interface PostgresWay {
  readonly name: string;
  readonly work: string;
  /** Its tables and functions, a file beside this one. */
  readonly schema: string;
  /** The pgbench script for one order. */
  readonly script: string;
  /** Numbers one order over this connection; a retry resolves to the numbers of the first attempt. */
  number(client: PoolClient, order: Order): Promise<Pair>;
  /** Selects store_id, first and last of each sequence; store_id is null for that of all orders. */
  readonly counters: string;
}

/** A peer with a PostgreSQL of its own; each order is a transaction. */
export function postgresPeer(way: PostgresWay): NumberingPeer {
  return {
    name: way.name,
    work: way.work,
    levels: [{ inFlight: 1 }, { inFlight: 16 }, { inFlight: 64 }],
    missing: () => missingCommands(['pgbench'], 'postgresql'),
    async start(folder) {
      const schema = readFileSync(join(import.meta.dirname, way.schema), 'utf8');
      const cluster = await startInFolder(folder, (created) => created.query(schema));
      const [row] = await cluster.query(`SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1) AS pid`);
      return new RunningPostgres(way, cluster, folder, Number(row!['pid']));
    },
  };
}

class RunningPostgres implements RunningNumberingPeer {
  readonly #way: PostgresWay;
  readonly #cluster: PostgresCluster;
  readonly #folder: string;
  readonly #pid: number;

  constructor(way: PostgresWay, cluster: PostgresCluster, folder: string, pid: number) {
    this.#way = way;
    this.#cluster = cluster;
    this.#folder = folder;
    this.#pid = pid;
  }

  load({ inFlight }: Level, orders: number): Promise<LoadResult> {
    return runPgbench({
      url: this.#cluster.url(),
      connections: inFlight,
      orders,
      script: this.#way.script,
      folder: this.#folder,
      serverPid: this.#pid,
    });
  }

  async check(): Promise<Density> {
    const rows = await this.#cluster.query('SELECT order_id, store_id, order_number FROM orders');
    const counters = await this.#cluster.query(this.#way.counters);
    return readDensity(rows, counters);
  }

  async connect(): Promise<OrderClient> {
    const pool = new Pool({ connectionString: this.#cluster.url(), max: CLIENT_CONNECTIONS });
    // A connection may be idle or between two statements when the server is killed. Its next statement rejects.
    pool.on('error', () => {});
    pool.on('connect', (client) => client.on('error', () => {}));
    const asked = new Set<Promise<Pair>>();
    return {
      number: (order) => {
        const answer = this.#number(pool, order);
        asked.add(answer);
        return answer.finally(() => asked.delete(answer));
      },
      // A pool that ends never settles what still waits for a connection.
      close: async () => {
        await Promise.allSettled(asked);
        await pool.end();
      },
    };
  }

  stop(): Promise<void> {
    return this.#cluster.stop();
  }

  kill(): Promise<void> {
    return this.#cluster.kill();
  }

  async #number(pool: Pool, order: Order): Promise<Pair> {
    const client = await pool.connect();
    // A connection is closed after a failure, because its transaction may still be open.
    let failure: Error | undefined;
    try {
      return await this.#way.number(client, order);
    } catch (error) {
      failure = error as Error;
      throw error;
    } finally {
      client.release(failure);
    }
  }
}
