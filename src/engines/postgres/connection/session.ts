import type { Client, ClientConfig, QueryConfig, QueryResultRow } from 'pg';
import { types } from 'pg';
import { LedgerRefused } from '../../../core/errors.ts';
import { settledWithin } from '../../../core/settled-within.ts';
import { channelBindingOf, NotBound } from './channel-binding.ts';
import { asLacking, isUnprepared, NotReplicated, reasonOf } from './failures.ts';
import type { ServerState } from './server-state.ts';
import { setUp } from './server-state.ts';
import { INVALID_AUTHORIZATION, INVALID_PASSWORD, sqlState, UNDEFINED_DATABASE } from './sql-state.ts';

/** How long a server may take to accept a session, and then to set it up. */
const CONNECT_MS = 3000;
/** The routine in which PostgreSQL waits for a standby; its messages are translated, its names are not. */
const STANDBY_WAIT = 'SyncRepWaitForLSN';
const INT8 = 20;
/** Errors of certificates (https://nodejs.org/api/tls.html#x509-certificate-error-codes) that a retry cannot fix. */
const UNTRUSTED = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_\w+|ERR_TLS_CERT_\w+)$/;
/** How long to wait for a clean close; a server behind a dead network never answers. */
export const GOODBYE_MS = 1000;

/** One connection to one server, set up so that its commits are durable. */
export class Session {
  /** The server, for messages: host and port. */
  readonly server: string;
  /** The database and its server, for messages. */
  readonly database: string;
  /** The role that this session has. */
  readonly user: string | undefined;
  readonly state: ServerState;
  /** The ledger that was found here: writes are for no other. Null until it is known. */
  ledgerId: string | null = null;
  readonly #client: Client;
  #isShared = false;
  #notReplicated = false;
  #lostBy: Error | undefined;

  private constructor(client: Client, state: ServerState) {
    this.#client = client;
    this.state = state;
    this.server = serverOf(client);
    this.database = `the database ${client.database} on ${client.host}:${client.port}`;
    this.user = client.user;
    client.on('notice', ({ routine }) => (this.#notReplicated ||= routine === STANDBY_WAIT));
    client.on('error', (error) => (this.#lostBy ??= error));
  }

  /**
   * Connects to the one host that `url` names. Rejects with one sentence that names the server, without secrets; with a
   * LedgerRefused if a retry would end the same way. `signal` ends the attempt, whatever it is doing.
   */
  static async open(url: string, signal: AbortSignal): Promise<Session> {
    const client = clientOf(url);
    // Until the session listens, and after it ended: an error without a listener would end the process.
    client.on('error', () => {});
    const onAbort = () => hangUp(client);
    signal.addEventListener('abort', onAbort);
    try {
      await client.connect();
      const state = setUp(client);
      // Once it is in, the library would wait forever.
      if (!(await settledWithin(CONNECT_MS, state))) hangUp(client);
      return new Session(client, await state);
    } catch (error) {
      hangUp(client);
      throw explain(error, client);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /**
   * Whether transactions ran on more backends than the one that was set up, as with a pooler in transaction mode: then
   * nothing that outlives a transaction can be relied on, prepared statements included.
   */
  get isShared(): boolean {
    return this.#isShared;
  }

  /** Notes the backend that a transaction ran on. */
  ranOn(backend: number): void {
    this.#isShared ||= backend !== this.state.backend;
  }

  /** The timeline of its server; 0 while that recovers. */
  get timeline(): number {
    return this.state.timeline ?? 0;
  }

  /**
   * Runs one statement that writes; the library takes no second one meanwhile. With `rowMode: 'array'` each row is an
   * array in the order of its columns. Rejects with NotReplicated if the wait for a standby was cut short, now or
   * earlier: then abandon the session, and retry on another one.
   */
  async write<Row extends QueryResultRow>(query: QueryConfig & { readonly rowMode?: 'array' }): Promise<Row[]> {
    if (this.#lostBy) throw this.#lostBy;
    try {
      const { rows } = await this.#client.query<Row>(query);
      if (this.#notReplicated) throw new NotReplicated(`${this.server} stopped waiting for its standby`);
      return rows;
    } catch (error) {
      this.#isShared ||= isUnprepared(error);
      throw error;
    }
  }

  /** Runs one statement whose commit, if there is one, need not be confirmed. */
  async query<Row extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#client.query<Row>(text, [...values])).rows;
  }

  /** Calls `listener` when the connection is lost, also while the session is idle. */
  onLost(listener: (error: Error) => void): void {
    this.#client.on('error', listener);
  }

  /** Abandons the session when `signal` aborts, until the session ends or the returned function is called. */
  abandonOn(signal: AbortSignal): () => void {
    const abandon = () => this.abandon();
    const release = () => signal.removeEventListener('abort', abandon);
    signal.addEventListener('abort', abandon);
    this.#client.once('end', release);
    return release;
  }

  /** Disconnects immediately: whatever is in progress continues at the server, and its answer is lost. */
  abandon(): void {
    this.#lostBy ??= new Error('the session was abandoned');
    hangUp(this.#client);
  }

  /** Closes cleanly if the server answers in time, otherwise immediately. */
  async end(): Promise<void> {
    await settledWithin(GOODBYE_MS, this.#client.end());
    this.abandon();
  }
}

/** Ends the socket itself: a clean close waits for the answer of what is in progress. */
export function hangUp(client: Client): void {
  client.connection.stream.destroy();
}

/** The settings of every connection of this engine: int8 comes as bigint. */
export function clientConfig(url: string): ClientConfig {
  return {
    connectionString: url,
    enableChannelBinding: channelBindingOf(url).isWanted,
    application_name: 'order-numbers',
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    types: {
      getTypeParser: (type: number, format?: 'text' | 'binary') =>
        type === INT8 && format !== 'binary' ? BigInt : types.getTypeParser(type, format),
    } as NonNullable<ClientConfig['types']>,
  };
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function serverOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `PostgreSQL on ${host}:${port}`;
}

/** Throws LedgerRefused for a URL that cannot be used, such as one that names a missing file. */
function clientOf(url: string): Client {
  try {
    const { Client } = channelBindingOf(url);
    return new Client(clientConfig(url));
  } catch (error) {
    throw new LedgerRefused(`the URL of the ledger cannot be used (${reasonOf(error)}); correct --ledger`);
  }
}

function explain(error: unknown, client: Client): Error {
  const server = serverOf(client);
  const state = sqlState(error);
  const reason = reasonOf(error);
  if (state === INVALID_PASSWORD || state === INVALID_AUTHORIZATION) {
    return new LedgerRefused(
      `${server} does not let ${client.user} in (${reason}); check the user, the password and pg_hba.conf`,
    );
  }
  // An error of pg itself, without a code.
  if (/password must be a string/.test(reason)) {
    return new LedgerRefused(
      `${server} does not let ${client.user} in (no password was given, as PGPASSWORD or in the URL); check the user, the password and pg_hba.conf`,
    );
  }
  if (/does not support SSL/.test(reason)) {
    return new LedgerRefused(`${server} does not offer TLS, but sslmode requires it; switch ssl on there`);
  }
  if (UNTRUSTED.test(codeOf(error))) {
    return new LedgerRefused(
      `${server} has an untrusted certificate (${reason}); name its authority in the URL with ` +
        'sslmode=verify-full&sslrootcert=<file>, or encrypt without verifying the server, with sslmode=no-verify',
    );
  }
  if (error instanceof NotBound) {
    return new LedgerRefused(
      `${server} offered no channel binding, but the URL requires it; use TLS and scram-sha-256, or omit channel_binding`,
    );
  }
  const lacking = asLacking(error, server);
  if (lacking) return lacking;
  if (state === UNDEFINED_DATABASE) {
    return new LedgerRefused(`${server}: ${reason}; create it with createdb, or name another one`);
  }
  return new Error(`${server} cannot be used (${reason}); check that it is running, and the URL`, { cause: error });
}
