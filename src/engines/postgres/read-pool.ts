import type { QueryResultRow } from 'pg';
import { Pool } from 'pg';
import { clientConfig } from './session.ts';

/** Connections for reads, at most; more reads wait for one. */
const MOST_CONNECTIONS = 8;
/** No read of ours takes nearly as long: a server that does not answer is given up. */
const READ_MS = 10_000;
const IDLE_MS = 30_000;

/** Connections for reads to one server at a time: where it fails, the next read tries the next host. */
export class ReadPool {
  readonly #hosts: readonly string[];
  readonly #readMs: number;
  #host = 0;
  #pool: Pool | undefined;
  #ending: Promise<unknown>[] = [];

  /** `readMs` is how long a read may take. */
  constructor(hosts: readonly string[], readMs = READ_MS) {
    this.#hosts = hosts;
    this.#readMs = readMs;
  }

  /** Runs one statement. Rejects with what pg says. */
  async query<Row extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    const pool = (this.#pool ??= this.#connect());
    try {
      return (await pool.query<Row>(text, [...values])).rows;
    } catch (error) {
      // An answer of the server, good or bad, has a severity: it is there.
      if (this.#pool === pool && !(error instanceof Error && 'severity' in error)) this.#moveOn();
      throw error;
    }
  }

  async end(): Promise<void> {
    this.#moveOn();
    await Promise.all(this.#ending);
  }

  #connect(): Pool {
    const pool = new Pool({
      ...clientConfig(this.#hosts[this.#host % this.#hosts.length]!),
      max: MOST_CONNECTIONS,
      idleTimeoutMillis: IDLE_MS,
      query_timeout: this.#readMs,
    });
    // A connection that is lost while nobody uses it is opened again when somebody does.
    pool.on('error', () => {});
    return pool;
  }

  #moveOn(): void {
    this.#host++;
    if (this.#pool) this.#ending.push(this.#pool.end());
    this.#pool = undefined;
    // Kept only for the end.
    if (this.#ending.length > MOST_CONNECTIONS) this.#ending = this.#ending.slice(1);
  }
}
