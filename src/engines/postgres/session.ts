import type { ClientConfig, QueryConfig, QueryResultRow } from 'pg';
import { Client, types } from 'pg';
import { LedgerRefused } from '../../errors.ts';
import { settledWithin } from '../../settled-within.ts';
import type { ServerState } from './server-state.ts';
import { setUp } from './server-state.ts';

/** How long a server may take to let a session in, and then to set it up. */
const CONNECT_MS = 3000;
/** What PostgreSQL calls where a commit waits for a standby; its texts are translated, its names are not. */
const STANDBY_WAIT = 'SyncRepWaitForLSN';
const INT8 = 20;
/** How long a server may take to take leave: one behind a network that fell silent never does. */
export const GOODBYE_MS = 1000;
/** What a URL may not change, because this engine relies on it. */
const OURS = ['application_name', 'query_timeout', 'statement_timeout'];

/** The wait for a standby was cancelled: the commit is on this server, and perhaps nowhere else. */
export class NotReplicated extends Error {
  override readonly name = 'NotReplicated';
}

/** One connection to one server, set up so that its commits are durable. */
export class Session {
  /** The server, for messages: host and port. */
  readonly server: string;
  readonly url: string;
  readonly state: ServerState;
  readonly client: Client;
  #notReplicated = false;
  #lastWrite: Promise<unknown> = Promise.resolve();
  #lostBy: Error | undefined;

  private constructor(url: string, client: Client, state: ServerState) {
    this.url = url;
    this.client = client;
    this.state = state;
    this.server = serverOf(client);
    client.on('notice', ({ routine }) => (this.#notReplicated ||= routine === STANDBY_WAIT));
    client.on('error', (error) => (this.#lostBy ??= error));
  }

  /** `url` names one host. Rejects with what the server or the network says, or with LedgerRefused. */
  static async open(url: string): Promise<Session> {
    const client = new Client(clientConfig(url));
    // Until the session listens, and after it ended: an error without a listener would end the process.
    client.on('error', () => {});
    try {
      await client.connect();
      const state = setUp(client);
      // Once it is in, the library would wait for ever.
      if (!(await settledWithin(CONNECT_MS, state))) hangUp(client);
      return new Session(url, client, await state);
    } catch (error) {
      hangUp(client);
      throw asRefusal(error, client);
    }
  }

  /** Of its server; 0 while that recovers. */
  get timeline(): number {
    return this.state.timeline ?? 0;
  }

  /**
   * Runs one statement that writes. Rejects with NotReplicated where a standby was not waited for to the end, and
   * after that has happened: the session is to be given up then, and what it was asked to be asked again.
   */
  write<Row extends QueryResultRow>(query: QueryConfig): Promise<Row[]> {
    // One after the other: the library takes one query at a time.
    const written = this.#lastWrite.then(() => this.#run<Row>(query));
    this.#lastWrite = written.catch(() => {});
    return written;
  }

  async #run<Row extends QueryResultRow>(query: QueryConfig): Promise<Row[]> {
    if (this.#lostBy) throw this.#lostBy;
    const { rows } = await this.client.query<Row>(query);
    if (this.#notReplicated) throw new NotReplicated(`${this.server} stopped waiting for its standby`);
    return rows;
  }

  /** Leaves at once: whatever is under way goes on at the server, and nobody hears of it. */
  abandon(): void {
    this.#lostBy ??= new Error('the session was given up');
    hangUp(this.client);
  }

  /** Politely, where the server answers; else at once. */
  async end(): Promise<void> {
    await settledWithin(GOODBYE_MS, this.client.end());
    this.abandon();
  }
}

/** Ends the socket itself: a polite end waits for the answer of what is under way. */
export function hangUp(client: Client): void {
  client.connection.stream.destroy();
}

/** How every connection of this engine speaks: int8 comes as bigint. */
export function clientConfig(url: string): ClientConfig {
  const parsed = new URL(url);
  for (const name of OURS) parsed.searchParams.delete(name);
  return {
    connectionString: String(parsed),
    application_name: 'order-numbers',
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    types: {
      getTypeParser: (type: number, format?: 'text' | 'binary') =>
        type === INT8 && format !== 'binary' ? BigInt : types.getTypeParser(type, format),
    } as NonNullable<ClientConfig['types']>,
  };
}

export function serverOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `PostgreSQL on ${host}:${port}`;
}

/** What no other attempt will change, as a refusal with its remedy. */
function asRefusal(error: unknown, client: Client): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  if (code === '28P01' || code === '28000' || /password must be a string|SASL/.test(message)) {
    return new LedgerRefused(
      `${serverOf(client)} does not let ${client.user} in (${message}): check user, password and pg_hba.conf`,
    );
  }
  if (code === '3D000') {
    return new LedgerRefused(`${serverOf(client)}: ${message}; make it with createdb, or name another one`);
  }
  return error;
}
