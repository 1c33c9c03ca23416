import type { QueryResultRow } from 'pg';
import { LedgerRefused } from '../../../core/errors.ts';
import { MAKE_DURABLE } from '../connection/server-state.ts';
import type { Session } from '../connection/session.ts';
import { LOCK_NOT_AVAILABLE, sqlState } from '../connection/sql-state.ts';
import { asOwner } from './prepare-database.ts';

/** Held by the one command that rewrites the ledger of this database. "ORDM". */
export const MOVE_LOCK = 0x4f52444d;
/** A server notices within a second that a command was killed, and then releases its lock. */
const LOCK_WAIT_MS = 5000;

/**
 * The one session through which a ledger moves, with a lock against every other command of this kind; a failure rejects
 * with one sentence that names the server.
 */
export class MovingSession {
  readonly #session: Session;
  readonly #name: string;

  private constructor(session: Session, name: string) {
    this.#session = session;
    this.#name = name;
  }

  /** `session` is durable (requireDurable). Rejects with LedgerRefused while another command moves a ledger here. */
  static async open(session: Session, name: string): Promise<MovingSession> {
    const moving = new MovingSession(session, name);
    try {
      // The server waits for the lock: see LOCK_WAIT_MS.
      await moving.write(`SET lock_timeout = ${LOCK_WAIT_MS}`);
      await moving.write('SELECT pg_advisory_lock($1)', [MOVE_LOCK]);
      await moving.write('SET lock_timeout = 0');
    } catch (error) {
      session.abandon();
      if (!(error instanceof Error && sqlState(error.cause) === LOCK_NOT_AVAILABLE)) throw error;
      throw new LedgerRefused(`another order-numbers migrate is running on ${name}; wait until it has ended`);
    }
    return moving;
  }

  /** Runs one statement; a commit in it is confirmed when this resolves. */
  write<Row extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return asOwner(this.#session, 'move the ledger', () => this.#session.write<Row>({ text, values: [...values] }));
  }

  async transaction<Result>(work: () => Promise<Result>): Promise<Result> {
    await this.begin();
    try {
      const result = await work();
      await this.write('COMMIT');
      return result;
    } catch (error) {
      await this.write('ROLLBACK').catch(() => {});
      throw error;
    }
  }

  /**
   * Begins a transaction that is durable. Refuses a pooler that runs it on a backend without this session's lock and
   * settings.
   */
  async begin(): Promise<void> {
    await this.write('BEGIN');
    const [row] = await this.write<{ backend: number }>(`${MAKE_DURABLE} SELECT backend FROM durable`);
    if (row?.backend === this.#session.state.backend) return;
    await this.write('ROLLBACK').catch(() => {});
    throw new LedgerRefused(
      `${this.#name} is behind a pooler in transaction mode, which keeps no lock for a whole move; connect directly`,
    );
  }

  /** The same on the primary and on each standby. */
  async identity(): Promise<string> {
    const [row] = await this.write<{ database: number; system: bigint }>(
      `SELECT oid::bigint AS database, system_identifier AS system FROM pg_database, pg_control_system()
       WHERE datname = current_database()`,
    );
    return `database ${row?.database} of system ${row?.system}`;
  }

  async end(): Promise<void> {
    await this.#session.end();
  }
}
