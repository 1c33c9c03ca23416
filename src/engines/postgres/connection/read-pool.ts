import type { Client, QueryResultRow } from 'pg';
import { Pool } from 'pg';
import { settledWithin } from '../../../core/settled-within.ts';
import { channelBindingOf } from './channel-binding.ts';
import { clientConfig, GOODBYE_MS, hangUp } from './session.ts';

/** Connections for reads, at most; more reads wait for one. */
const MOST_CONNECTIONS = 8;
/** No read of ours takes nearly as long: a server that does not answer is given up. */
const READ_MS = 10_000;
const IDLE_MS = 30_000;
/** What the library says where all connections are at work for too long: the server is there. */
const ALL_BUSY = 'timeout exceeded when trying to connect';

/** Connections for reads to one server at a time: where it fails, the next read tries the next host. */
export class ReadPool {
  readonly #hosts: readonly string[];
  readonly #readMs: number;
  #host = 0;
  #connections: Connections | undefined;
  readonly #ending = new Set<Promise<void>>();
  #isEnded = false;

  /** `readMs` is how long a read may take. */
  constructor(hosts: readonly string[], readMs = READ_MS) {
    this.#hosts = hosts;
    this.#readMs = readMs;
  }

  /** Runs one statement. Rejects with what pg says. */
  async query<Row extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    if (this.#isEnded) throw new Error('these connections for reads were ended');
    const connections = (this.#connections ??= new Connections(this.#hosts[this.#host]!, this.#readMs));
    try {
      return (await connections.pool.query<Row>(text, [...values])).rows;
    } catch (error) {
      // An answer of the server, good or bad, has a severity.
      const isThere = error instanceof Error && ('severity' in error || error.message === ALL_BUSY);
      if (this.#connections === connections && !isThere) {
        this.#host = (this.#host + 1) % this.#hosts.length;
        this.startAnew();
      }
      throw error;
    }
  }

  /** Lets the connections go: the next read makes new ones. */
  startAnew(): void {
    const ended = this.#connections?.end();
    this.#connections = undefined;
    if (!ended) return;
    this.#ending.add(ended);
    void ended.finally(() => this.#ending.delete(ended));
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    this.startAnew();
    await Promise.all(this.#ending);
  }
}

/** The library's pool to one host, and all that it has open: what does not end politely would keep the process. */
class Connections {
  readonly pool: Pool;
  readonly #open = new Set<Client>();
  readonly #empty = Promise.withResolvers<void>();
  #isEnding = false;

  constructor(host: string, readMs: number) {
    this.pool = new Pool({
      ...clientConfig(host),
      Client: channelBindingOf(host).Client,
      max: MOST_CONNECTIONS,
      idleTimeoutMillis: IDLE_MS,
      query_timeout: readMs,
    });
    // A connection that is lost while nobody uses it is opened again when somebody does.
    this.pool.on('error', () => {});
    this.pool.on('connect', (client) => this.#open.add(client));
    this.pool.on('remove', (client) => {
      this.#open.delete(client);
      if (this.#isEnding && this.#open.size === 0) this.#empty.resolve();
    });
  }

  /** Never rejects. */
  async end(): Promise<void> {
    this.#isEnding = true;
    if (this.#open.size === 0) this.#empty.resolve();
    await settledWithin(GOODBYE_MS, Promise.all([this.pool.end(), this.#empty.promise]));
    for (const client of this.#open) hangUp(client);
  }
}
