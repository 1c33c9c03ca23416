import type { Client, QueryResultRow } from 'pg';
import { Pool } from 'pg';
import { settledWithin } from '../../../core/settled-within.ts';
import { channelBindingOf } from './channel-binding.ts';
import { clientConfig, GOODBYE_MS, hangUp } from './session.ts';

/** Connections for reads; further reads wait for one. */
const MAX_CONNECTIONS = 8;
/** Much longer than any read takes; after that the next host is tried. */
const READ_MS = 10_000;
const IDLE_MS = 30_000;
/** The message of pg if all connections are busy for too long, although the server answers. */
const ALL_BUSY = 'timeout exceeded when trying to connect';

/** Connections for reads to one server at a time: if it fails, the next read tries the next host. */
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

  /** Runs one statement. Rejects with the error of pg. */
  async query<Row extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    if (this.#isEnded) throw new Error('the connections for reads are closed');
    const connections = (this.#connections ??= new Connections(this.#hosts[this.#host]!, this.#readMs));
    try {
      return (await connections.pool.query<Row>(text, [...values])).rows;
    } catch (error) {
      // Only an error that the server sent has a severity.
      const isThere = error instanceof Error && ('severity' in error || error.message === ALL_BUSY);
      if (this.#connections === connections && !isThere) {
        this.#host = (this.#host + 1) % this.#hosts.length;
        this.reconnect();
      }
      throw error;
    }
  }

  /** Ends the connections; the next read opens new ones. */
  reconnect(): void {
    const ended = this.#connections?.end();
    this.#connections = undefined;
    if (!ended) return;
    this.#ending.add(ended);
    void ended.finally(() => this.#ending.delete(ended));
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    this.reconnect();
    await Promise.all(this.#ending);
  }
}

/** pg's pool for one host, and its open connections: any that does not close cleanly would keep the process alive. */
class Connections {
  readonly pool: Pool;
  readonly #open = new Set<Client>();
  readonly #empty = Promise.withResolvers<void>();
  #isEnding = false;

  constructor(host: string, readMs: number) {
    this.pool = new Pool({
      ...clientConfig(host),
      Client: channelBindingOf(host).Client,
      max: MAX_CONNECTIONS,
      idleTimeoutMillis: IDLE_MS,
      query_timeout: readMs,
    });
    // A connection that is lost while idle is replaced at the next read.
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
