import type { QueryResultRow } from 'pg';
import type { Allocation } from '../../../core/allocation.ts';
import { LedgerRefused } from '../../../core/errors.ts';
import type { LedgerContents } from '../../../core/move/contents.ts';
import { COPY_PAGE } from '../../../core/move/contents.ts';
import type { LedgerTarget, MovedId, MovingState } from '../../../core/move/ledger-target.ts';
import type { VerifyEvent } from '../../../core/verify/events.ts';
import { verifyLedger } from '../../../core/verify/verify-ledger.ts';
import { insertAllocations, insertCallers, insertLosses, insertStores } from './bulk-insert.ts';
import { movedAway, placeInSeal } from './seal.ts';
import { PostgresContents } from './postgres-contents.ts';
import { MovingSession } from './moving-session.ts';
import { OTHER_SESSIONS, prepareDatabase } from './prepare-database.ts';
import { parsePostgresUrl } from '../connection/postgres-url.ts';
import type { Session } from '../connection/session.ts';
import { INSUFFICIENT_PRIVILEGE, sqlState } from '../connection/sql-state.ts';
import { PostgresVerifySource } from '../verify/verify-source.ts';

/** How long a session of a server may take to end when it is told to. */
const END_WAIT_MS = 5000;
interface LedgerRow {
  readonly ledger_id: string;
  readonly first_order_id: bigint;
  readonly last_order_id: bigint;
  readonly moving_from: string | null;
}

/** Prepares the database at this URL, and opens it; see {@link MoveTarget.open}. */
export async function openMoveTarget(location: string, signal: AbortSignal): Promise<LedgerTarget> {
  const { hosts, name } = parsePostgresUrl(location);
  return MoveTarget.open((await prepareDatabase(hosts, signal)).session, name);
}

/**
 * The PostgreSQL ledger that another one moves into. Everything goes through one session.
 */
export class MoveTarget implements LedgerTarget {
  readonly name: string;
  readonly howToEmpty: string;
  readonly contents: LedgerContents;
  readonly #session: MovingSession;

  /** The schema exists; `name` is without secrets. */
  private constructor(session: MovingSession, name: string) {
    this.#session = session;
    this.name = name;
    this.howToEmpty = `drop the schema order_numbers of ${name}`;
    this.contents = new PostgresContents(name, (text, values) => this.#write(text, values));
  }

  /** Rejects with LedgerRefused while another command moves a ledger here. */
  static async open(session: Session, name: string): Promise<MoveTarget> {
    return new MoveTarget(await MovingSession.open(session, name), name);
  }

  identity(): Promise<string> {
    return this.#session.identity();
  }

  async claim({ ledgerId }: MovedId, isSealed: boolean): Promise<MovingState> {
    return this.#session.transaction(async () => {
      // Locks this row first: an earlier commit of a server is seen below, and a later one is refused.
      const [ledger] = await this.#write<LedgerRow>('SELECT * FROM order_numbers.ledger FOR UPDATE');
      if (!ledger) throw new LedgerRefused(`the table ledger of ${this.name} is empty; use another database`);
      const { ledger_id: there, moving_from: movingFrom } = ledger;
      const movedTo = placeInSeal(movingFrom);
      if (movedTo) throw movedAway(this.name, movedTo);
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
    await this.#session.transaction(async () => {
      await this.#insert(insertAllocations(allocations));
      await this.#insert(insertCallers(allocations));
    });
  }

  async takeCounters(from: LedgerContents): Promise<void> {
    const counters = await from.counters();
    await this.#session.transaction(async () => {
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
    await this.#session.transaction(() =>
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

  async #insert({ text, values }: { readonly text: string; readonly values: readonly unknown[] }): Promise<void> {
    await this.#write(text, values);
  }

  async #updateOne(text: string, values: readonly unknown[]): Promise<void> {
    const rows = await this.#write(`${text} RETURNING id`, values);
    if (rows.length !== 1) throw new LedgerRefused(`another process has changed ${this.name} in the meantime`);
  }

  #write<Row extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]> {
    return this.#session.write<Row>(text, values);
  }
}
