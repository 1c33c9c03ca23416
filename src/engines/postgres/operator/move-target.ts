import type { QueryResultRow } from 'pg';
import type { Allocation } from '../../../core/allocation.ts';
import { LedgerRefused } from '../../../core/errors.ts';
import type { LedgerContents } from '../../../core/move/contents.ts';
import { COPY_PAGE } from '../../../core/move/contents.ts';
import type { LedgerTarget, MovingState } from '../../../core/move/ledger-target.ts';
import type { VerifyEvent } from '../../../core/verify/events.ts';
import { verifyLedger } from '../../../core/verify/verify-ledger.ts';
import { insertAllocations, insertCallers, insertLosses, insertStores } from './bulk-insert.ts';
import { PostgresContents } from './postgres-contents.ts';
import { asOwner, OTHER_SESSIONS } from './prepare-database.ts';
import { MAKE_DURABLE } from '../connection/server-state.ts';
import type { Session } from '../connection/session.ts';
import { INSUFFICIENT_PRIVILEGE, LOCK_NOT_AVAILABLE, sqlState } from '../connection/sql-state.ts';
import { PostgresVerifySource } from '../verify/verify-source.ts';

/** Held by the one command that rewrites the ledger of this database. "ORDM". */
export const MOVE_LOCK = 0x4f52444d;
/** How long a session of a server may take to end when it is told to. */
const END_WAIT_MS = 5000;
/** A server notices within a second that a command was killed, and then releases its lock. */
const LOCK_WAIT_MS = 5000;

interface LedgerRow {
  readonly ledger_id: string;
  readonly first_order_id: bigint;
  readonly last_order_id: bigint;
  readonly moving_from: string | null;
}

/**
 * The PostgreSQL ledger that another one moves into. Everything goes through one session, which holds a lock against
 * every other command of this kind; a failure rejects with one sentence that names the server.
 */
export class MoveTarget implements LedgerTarget {
  readonly name: string;
  readonly howToEmpty: string;
  readonly contents: LedgerContents;
  readonly #session: Session;

  /** `session` is durable (requireDurable), and the schema exists; `name` is without secrets. */
  private constructor(session: Session, name: string) {
    this.#session = session;
    this.name = name;
    this.howToEmpty = `drop the schema order_numbers of ${name}`;
    this.contents = new PostgresContents(name, (text, values) => this.#write(text, values));
  }

  /** Rejects with LedgerRefused while another command moves a ledger to this database. */
  static async open(session: Session, name: string): Promise<MoveTarget> {
    const target = new MoveTarget(session, name);
    try {
      // The server waits for the lock: see LOCK_WAIT_MS.
      await target.#write(`SET lock_timeout = ${LOCK_WAIT_MS}`);
      await target.#write('SELECT pg_advisory_lock($1)', [MOVE_LOCK]);
      await target.#write('SET lock_timeout = 0');
    } catch (error) {
      session.abandon();
      if (!(error instanceof Error && sqlState(error.cause) === LOCK_NOT_AVAILABLE)) throw error;
      throw new LedgerRefused(`another order-numbers migrate is running on ${name}; wait until it has ended`);
    }
    return target;
  }

  /** The same on the primary and on each standby. */
  async identity(): Promise<string> {
    const [row] = await this.#write<{ database: number; system: bigint }>(
      `SELECT oid::bigint AS database, system_identifier AS system FROM pg_database, pg_control_system()
       WHERE datname = current_database()`,
    );
    return `database ${row?.database} of system ${row?.system}`;
  }

  async claim(ledgerId: string, isSealed: boolean): Promise<MovingState> {
    return this.#transaction(async () => {
      // Locks this row first: an earlier commit of a server is seen below, and a later one is refused.
      const [ledger] = await this.#write<LedgerRow>('SELECT * FROM order_numbers.ledger FOR UPDATE');
      if (!ledger) throw new LedgerRefused(`the table ledger of ${this.name} is empty; use another database`);
      const { ledger_id: there, moving_from: movingFrom } = ledger;
      if (movingFrom === null && there !== ledgerId) await this.#requireEmpty(ledger, isSealed);
      if (movingFrom !== null && movingFrom !== ledgerId) {
        throw new LedgerRefused(
          `${this.name} has the unfinished copy of another ledger, ${movingFrom}; finish that, or use another database`,
        );
      }
      const isDone = movingFrom === null && there === ledgerId;
      // Always written: its commit waits for a standby, and so confirms what an earlier run committed.
      await this.#write('UPDATE order_numbers.ledger SET ledger_id = $1, moving_from = $2, version = version + 1', [
        ledgerId,
        isDone ? null : ledgerId,
      ]);
      return isDone ? 'done' : 'unfinished';
    });
  }

  /**
   * A server looks for its ledger when it opens a session, and not again; by now it is another ledger. Rejects with
   * LedgerRefused if this role may not end them.
   */
  async endOtherSessions(): Promise<void> {
    try {
      await this.#write(`SELECT pg_terminate_backend(pid, ${END_WAIT_MS}) FROM ${OTHER_SESSIONS}`);
    } catch (error) {
      if (!(error instanceof Error && sqlState(error.cause) === INSUFFICIENT_PRIVILEGE)) throw error;
      throw new LedgerRefused(`order-numbers servers are already connected to ${this.name}; stop them first`, {
        cause: error,
      });
    }
  }

  async lastCopied(): Promise<bigint> {
    const [row] = await this.#write<{ last: bigint | null }>(
      'SELECT max(order_id) AS last FROM order_numbers.allocations',
    );
    return row?.last ?? 0n;
  }

  async addAllocations(allocations: readonly Allocation[]): Promise<void> {
    await this.#transaction(async () => {
      await this.#insert(insertAllocations(allocations));
      await this.#insert(insertCallers(allocations));
    });
  }

  async takeCounters(from: LedgerContents): Promise<void> {
    const counters = await from.counters();
    await this.#transaction(async () => {
      await this.#write('DELETE FROM order_numbers.stores');
      await this.#write('DELETE FROM order_numbers.declared_losses');
      for (let after = 0n; ;) {
        const stores = await from.storesAfter(after, COPY_PAGE);
        const last = stores.at(-1);
        if (!last) break;
        await this.#insert(insertStores(stores));
        after = last.storeId;
      }
      await this.#insert(insertLosses(await from.declaredLosses()));
      await this.#updateOne(
        `UPDATE order_numbers.ledger SET first_order_id = $2, last_order_id = $3, last_create_time_ms = $4,
           version = version + 1 WHERE moving_from = $1`,
        [counters.ledgerId, counters.firstOrderId, counters.lastOrderId, counters.lastCreateTimeMs],
      );
    });
  }

  async *verify(): AsyncGenerator<VerifyEvent> {
    const { lastOrderId } = await this.contents.counters();
    const source = await PostgresVerifySource.open((text, values) => this.#write(text, values), lastOrderId);
    yield* verifyLedger(source, undefined);
  }

  async activate(ledgerId: string): Promise<void> {
    await this.#transaction(() =>
      this.#updateOne(
        'UPDATE order_numbers.ledger SET moving_from = NULL, version = version + 1 WHERE moving_from = $1 AND ledger_id = $1',
        [ledgerId],
      ),
    );
  }

  async close(): Promise<void> {
    await this.#session.end();
  }

  async #requireEmpty({ ledger_id, first_order_id, last_order_id }: LedgerRow, isSealed: boolean): Promise<void> {
    if (isSealed) {
      throw new LedgerRefused(
        `${this.name} has ledger ${ledger_id} instead of the one that was moved to it; put that one back`,
      );
    }
    const [has] = await this.#write<{ rows: boolean; stores: bigint; losses: boolean }>(
      `SELECT EXISTS (SELECT FROM order_numbers.allocations) AS rows,
         (SELECT count(*) FROM order_numbers.stores) AS stores,
         EXISTS (SELECT FROM order_numbers.declared_losses) AS losses`,
    );
    if (last_order_id < first_order_id && has && !has.rows && has.stores === 0n && !has.losses) return;
    throw new LedgerRefused(
      `${this.name} already has a ledger of its own (${ledger_id}, last order_id ${last_order_id}, stores ` +
        `${has?.stores}); only an empty ledger accepts another, so use another database`,
    );
  }

  async #transaction<Result>(work: () => Promise<Result>): Promise<Result> {
    await this.#write('BEGIN');
    try {
      await this.#requireOneBackend();
      const result = await work();
      await this.#write('COMMIT');
      return result;
    } catch (error) {
      await this.#write('ROLLBACK').catch(() => {});
      throw error;
    }
  }

  /**
   * Makes the transaction durable. Refuses a pooler that runs it on a backend without this session's lock and settings.
   */
  async #requireOneBackend(): Promise<void> {
    const [row] = await this.#write<{ backend: number }>(`${MAKE_DURABLE} SELECT backend FROM durable`);
    if (row?.backend === this.#session.state.backend) return;
    throw new LedgerRefused(
      `${this.name} is behind a pooler in transaction mode, which keeps no lock for a whole move; connect directly`,
    );
  }

  async #insert({ text, values }: { readonly text: string; readonly values: readonly unknown[] }): Promise<void> {
    await this.#write(text, values);
  }

  async #updateOne(text: string, values: readonly unknown[]): Promise<void> {
    const rows = await this.#write(`${text} RETURNING id`, values);
    if (rows.length !== 1) throw new LedgerRefused(`another process has changed ${this.name} in the meantime`);
  }

  /** Runs one statement; a commit in it is confirmed when this resolves. */
  #write<Row extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return asOwner(this.#session, 'move the ledger', () => this.#session.write<Row>({ text, values: [...values] }));
  }
}
