import type { Client } from 'pg';
import { LedgerRefused } from '../../../core/errors.ts';

/** The state of a session, read back from the server after it was set up. */
export interface ServerState {
  /** Process id of the backend that was set up. */
  readonly backend: number;
  /** The server_version_num: 180004 is 18.4. */
  readonly version: number;
  readonly isRecovering: boolean;
  readonly isReadOnly: boolean;
  readonly synchronousCommit: string;
  readonly standbyNames: string;
  readonly fsync: string;
  readonly fullPageWrites: string;
  readonly isolation: string;
  /** Rises by one with every promotion; undefined while the server recovers. */
  readonly timeline: number | undefined;
}

/** This server takes no writes; another one may. */
export class NotPrimary extends Error {
  override readonly name = 'NotPrimary';
}

/** PostgreSQL 14 is the first that notices, while it waits, that a client disconnected. */
const OLDEST_VERSION = 140_000;
/** The values of synchronous_commit that put a commit on this server's disk, and with standbys on theirs. */
const DURABLE = new Set(['on', 'remote_apply']);

/** The value for synchronous_commit; remote_apply, which waits for more, stays. */
const DURABLE_COMMIT = `CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END`;

/**
 * Begins each statement that writes; the statement then reads `backend` from the row of `durable`. A pooler in
 * transaction mode may run a transaction on a backend that was never set up, with the defaults of its role: so the
 * transaction makes its own commit durable, makes the server report a cancelled wait for a standby, and returns the
 * backend that it ran on.
 */
export const MAKE_DURABLE = `WITH durable AS MATERIALIZED (
  SELECT set_config('synchronous_commit', ${DURABLE_COMMIT}, true), set_config('client_min_messages', 'warning', true),
    pg_backend_pid() AS backend
)`;

/**
 * Makes a session durable whatever the defaults of its role and database are. No timeout may cancel the wait for a
 * standby: that would leave a commit that only this server has.
 */
const SET_UP = `
SELECT set_config(name, value, false) FROM (VALUES
  ('synchronous_commit', ${DURABLE_COMMIT}),
  ('default_transaction_isolation', 'read committed'),
  ('statement_timeout', '0'),
  ('lock_timeout', '0'),
  ('idle_in_transaction_session_timeout', '0'),
  ('idle_session_timeout', '0'),
  ('transaction_timeout', '0'),
  ('client_min_messages', 'warning')
) AS setting (name, value) WHERE current_setting(name, true) IS NOT NULL`;

/**
 * Lets the server end the statement of a lost client within a second, so that it does not queue for the counter's lock.
 * Not every platform supports that.
 */
const NOTICE_LOST_CLIENT = "SELECT set_config('client_connection_check_interval', '1000', false)";

const READ_STATE = `
SELECT pg_backend_pid() AS backend, current_setting('server_version_num')::integer AS version,
  pg_is_in_recovery() AS "isRecovering",
  current_setting('transaction_read_only') = 'on' AS "isReadOnly",
  current_setting('synchronous_commit') AS "synchronousCommit",
  current_setting('synchronous_standby_names') AS "standbyNames",
  current_setting('fsync') AS fsync,
  current_setting('full_page_writes') AS "fullPageWrites",
  current_setting('transaction_isolation') AS isolation`;

const READ_TIMELINE = `
SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer AS timeline`;

/** Sets the session up, and reads the resulting state back. */
export async function setUp(client: Client): Promise<ServerState> {
  await client.query(SET_UP);
  // May fail: an unsupported platform is only slower, and a lost connection fails in the next statement, too.
  await client.query(NOTICE_LOST_CLIENT).catch(() => {});
  const { rows } = await client.query<Omit<ServerState, 'timeline'>>(READ_STATE);
  const [state] = rows;
  if (!state) throw new Error('the server did not report its state');
  if (state.isRecovering) return { ...state, timeline: undefined };
  const { rows: timelines } = await client.query<{ timeline: number }>(READ_TIMELINE);
  return { ...state, timeline: timelines[0]?.timeline };
}

/**
 * Throws LedgerRefused if this server, with its settings, could lose a commit that it has confirmed; NotPrimary if it
 * takes no writes. `server` names it in the message.
 */
export function requireDurable(state: ServerState, server: string): void {
  if (state.version < OLDEST_VERSION) {
    throw new LedgerRefused(`${server} has version ${state.version}; use PostgreSQL 14 or newer`);
  }
  if (state.isRecovering) {
    throw new NotPrimary(`${server} is recovering, as a standby does; name the primary, or promote this one`);
  }
  if (state.isReadOnly) {
    throw new NotPrimary(
      `${server} is read-only (default_transaction_read_only); switch that off, or name another server`,
    );
  }
  const losing = [
    DURABLE.has(state.synchronousCommit) ? undefined : `synchronous_commit is ${state.synchronousCommit} by force`,
    state.fsync === 'on' ? undefined : `fsync is ${state.fsync}`,
    state.isolation === 'read committed' ? undefined : `the isolation level is ${state.isolation} by force`,
  ].filter((reason) => reason !== undefined);
  if (losing.length === 0) return;
  throw new LedgerRefused(
    `${server} could lose or repeat numbers: ${losing.join(', ')}; set synchronous_commit to on or remote_apply, ` +
      'fsync to on, and let sessions choose read committed',
  );
}

/** What an operator should know about a server that may be used as it is, one sentence each. */
export function warningsOf({ standbyNames, fullPageWrites }: ServerState, server: string): string[] {
  const warnings: string[] = [];
  if (standbyNames === '') {
    warnings.push(
      `${server} has no synchronous standby or replica (synchronous_standby_names is empty): confirmed numbers are on its ` +
        'own disk only, and a failover could lose them',
    );
  }
  if (fullPageWrites !== 'on') {
    warnings.push(
      `${server} has full_page_writes ${fullPageWrites}: a power cut can tear pages, unless its file system cannot`,
    );
  }
  return warnings;
}
