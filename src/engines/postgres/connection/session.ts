import type { Client, ClientConfig, QueryConfig, QueryResultRow } from 'pg';
import { types } from 'pg';
import { LedgerRefused } from '../../../core/errors.ts';
import { settledWithin } from '../../../core/settled-within.ts';
import { channelBindingOf, NotBound } from './channel-binding.ts';
import { asLacking, isUnprepared, NotReplicated, reasonOf } from './failures.ts';
import type { ServerState } from './server-state.ts';
import { setUp } from './server-state.ts';
import { INVALID_AUTHORIZATION, INVALID_PASSWORD, sqlState, UNDEFINED_DATABASE } from './sql-state.ts';

/** How long a server may take to let a session in, and then to set it up. */
const CONNECT_MS = 3000;
/** What PostgreSQL calls where a commit waits for a standby; its texts are translated, its names are not. */
const STANDBY_WAIT = 'SyncRepWaitForLSN';
const INT8 = 20;
/** Error codes of certificates (https://nodejs.org/api/tls.html#x509-certificate-error-codes) that stay what they are. */
const UNTRUSTED = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_\w+|ERR_TLS_CERT_\w+)$/;
/** How long a server may take to take leave: one behind a network that fell silent never does. */
export const GOODBYE_MS = 1000;

/** One connection to one server, set up so that its commits are durable. */
export class Session {
  /** The server, for messages: host and port. */
  readonly server: string;
  readonly state: ServerState;
  readonly client: Client;
  /** Which ledger was found here: its writes are for no other. Null until it is known. */
  ledgerId: string | null = null;
  #isShared = false;
  #notReplicated = false;
  #lostBy: Error | undefined;

  private constructor(client: Client, state: ServerState) {
    this.client = client;
    this.state = state;
    this.server = serverOf(client);
    client.on('notice', ({ routine }) => (this.#notReplicated ||= routine === STANDBY_WAIT));
    client.on('error', (error) => (this.#lostBy ??= error));
  }

  /**
   * `url` names one host. Rejects with one sentence that names the server, without secrets: a LedgerRefused where no
   * other attempt will change it. Given up, whatever it is doing, when `signal` aborts.
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
      // Once it is in, the library would wait for ever.
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
   * Whether transactions ran on more backends than the one that was set up, as a pooler in transaction mode has it:
   * nothing that outlives a transaction can be relied on then, prepared statements included.
   */
  get isShared(): boolean {
    return this.#isShared;
  }

  /** Notes the backend that a transaction ran on. */
  ranOn(backend: number): void {
    this.#isShared ||= backend !== this.state.backend;
  }

  /** Of its server; 0 while that recovers. */
  get timeline(): number {
    return this.state.timeline ?? 0;
  }

  /**
   * Runs one statement that writes; not while another one is under way, which the library does not take. Rejects with NotReplicated where a standby was not waited for to the end, and
   * after that has happened: the session is to be given up then, and what it was asked to be asked again.
   */
  async write<Row extends QueryResultRow>(query: QueryConfig): Promise<Row[]> {
    return this.#confirmed(() => this.client.query<Row>(query));
  }

  /** The same; each row as an array, in the order of its columns. */
  async writeArrays<Row extends unknown[]>(query: QueryConfig): Promise<Row[]> {
    return this.#confirmed(() => this.client.query<Row>({ ...query, rowMode: 'array' }));
  }

  async #confirmed<Row>(ask: () => Promise<{ readonly rows: Row[] }>): Promise<Row[]> {
    if (this.#lostBy) throw this.#lostBy;
    const { rows } = await ask().catch((error: unknown) => {
      this.#isShared ||= isUnprepared(error);
      throw error;
    });
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

/** Throws LedgerRefused where the URL names files, say, that are not there. */
function clientOf(url: string): Client {
  try {
    const { Client } = channelBindingOf(url);
    return new Client(clientConfig(url));
  } catch (error) {
    throw new LedgerRefused(`the URL of the ledger cannot be used: ${reasonOf(error)}`);
  }
}

function explain(error: unknown, client: Client): Error {
  const server = serverOf(client);
  const state = sqlState(error);
  const reason = reasonOf(error);
  if (state === INVALID_PASSWORD || state === INVALID_AUTHORIZATION) {
    return new LedgerRefused(
      `${server} does not let ${client.user} in (${reason}): check user, password and pg_hba.conf`,
    );
  }
  // The library's own words, without a code.
  if (/password must be a string/.test(reason)) {
    return new LedgerRefused(
      `${server} does not let ${client.user} in (no password was given, as PGPASSWORD or in the URL): check user, password and pg_hba.conf`,
    );
  }
  if (/does not support SSL/.test(reason)) {
    return new LedgerRefused(`${server} does not offer TLS, and sslmode asks for it: switch ssl on there`);
  }
  if (UNTRUSTED.test(codeOf(error))) {
    return new LedgerRefused(
      `${server} has a certificate that is not trusted (${reason}): name its authority in the URL with ` +
        'sslmode=verify-full&sslrootcert=<file>, or encrypt without checking who answers, with sslmode=no-verify',
    );
  }
  if (error instanceof NotBound) {
    return new LedgerRefused(
      `${server} offered no channel binding, and the URL asks for it: use TLS and scram-sha-256, or leave channel_binding out`,
    );
  }
  const lacking = asLacking(error, server);
  if (lacking) return lacking;
  if (state === UNDEFINED_DATABASE) {
    return new LedgerRefused(`${server}: ${reason}; make it with createdb, or name another one`);
  }
  return new Error(`${server} cannot be used (${reason}): check that it runs, and the URL`, { cause: error });
}
