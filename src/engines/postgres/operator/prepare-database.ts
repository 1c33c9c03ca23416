import { LedgerRefused } from '../../../core/errors.ts';
import { reasonOf } from '../connection/failures.ts';
import type { SchemaVersions } from '../schema/schema.ts';
import { migrate } from '../schema/schema.ts';
import { requireDurable } from '../connection/server-state.ts';
import { Session } from '../connection/session.ts';
import { INSUFFICIENT_PRIVILEGE, sqlState } from '../connection/sql-state.ts';

/** All other sessions of servers and commands on this database. */
export const OTHER_SESSIONS = `pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND application_name = current_setting('application_name')`;

/** A session of an operator's command on a database that has the schema. */
export interface PreparedDatabase {
  readonly session: Session;
  readonly schema: SchemaVersions;
}

/** Creates or upgrades the schema on the host that {@link openPrimary} finds. */
export function prepareDatabase(hosts: readonly string[], signal: AbortSignal): Promise<PreparedDatabase> {
  return openPrimary(hosts, signal, async (session) => ({ session, schema: await migrate(session) }));
}

/**
 * Runs `prepare` on the first of these hosts that is a durable primary and lets it resolve. The session is abandoned
 * when `signal` aborts, whatever it is doing. Rejects with one sentence that has the reason of each host, without
 * secrets.
 */
export async function openPrimary<Prepared>(
  hosts: readonly string[],
  signal: AbortSignal,
  prepare: (session: Session) => Promise<Prepared>,
): Promise<Prepared> {
  const failures: unknown[] = [];
  for (const host of hosts) {
    signal.throwIfAborted();
    try {
      return await openOn(host, signal, prepare);
    } catch (error) {
      failures.push(error);
    }
  }
  signal.throwIfAborted();
  const [failure] = failures;
  throw failures.length === 1 && failure instanceof LedgerRefused
    ? failure
    : new Error(failures.map(reasonOf).join('; '), { cause: failure });
}

async function openOn<Prepared>(
  host: string,
  signal: AbortSignal,
  prepare: (session: Session) => Promise<Prepared>,
): Promise<Prepared> {
  const session = await Session.open(host, signal);
  session.abandonOn(signal);
  try {
    requireDurable(session.state, session.server);
    return await prepare(session);
  } catch (error) {
    session.abandon();
    throw error;
  }
}

/** Runs `work` on the session. Rejects with one sentence; with a LedgerRefused if `task` requires the schema's owner. */
export async function asOwner<Result>({ server }: Session, task: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof LedgerRefused) throw error;
    const message = `${server}: ${reasonOf(error)}`;
    if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) throw new Error(message, { cause: error });
    throw new LedgerRefused(`${message}; ${task} as the owner of the schema order_numbers`, { cause: error });
  }
}
