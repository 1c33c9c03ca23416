import type Database from 'better-sqlite3';
import { LedgerRefused } from '../../../core/errors.ts';
import type { Place } from '../../../core/move/place.ts';
import { placeOf, placeText } from '../../../core/move/place.ts';

/** The one row of the table `ledger`: the counter of the sequence over all stores. */
export interface LedgerRow {
  readonly ledgerId: string;
  readonly firstOrderId: bigint;
  readonly lastOrderId: bigint;
  readonly lastCreateTimeMs: bigint;
  /** The place that the ledger was moved to: it must never number again. The identity is empty if none was written. */
  readonly movedTo: Place | undefined;
}

/** The row as a connection with safe integers returns it. */
interface Columns {
  readonly ledger_id: string;
  readonly first_order_id: bigint;
  readonly last_order_id: bigint;
  readonly last_create_time_ms: bigint;
  readonly sealed_to: string | null;
}

/** The remedy if the row is gone: the first for a ledger in use, the second for one that is copied or checked. */
export type Remedy = 'put a good copy back' | 'use another copy';

export const SELECT_LEDGER_ROW =
  'SELECT ledger_id, first_order_id, last_order_id, last_create_time_ms, sealed_to FROM ledger';

/** Reads and advances the row, prepared once per connection. */
export class LedgerCounter {
  readonly #db: Database.Database;
  readonly #select: Database.Statement<[], Columns>;
  readonly #advance: Database.Statement<[bigint, number]>;

  constructor(db: Database.Database) {
    this.#db = db;
    this.#select = db.prepare(SELECT_LEDGER_ROW);
    this.#advance = db.prepare('UPDATE ledger SET last_order_id = ?, last_create_time_ms = ?');
  }

  /** Throws LedgerRefused if the row is gone. */
  read(): LedgerRow {
    return toLedgerRow(this.#select.get()) ?? refuseWithout(this.#db.name, 'put a good copy back');
  }

  advance(lastOrderId: bigint, lastCreateTimeMs: number): void {
    this.#advance.run(lastOrderId, lastCreateTimeMs);
  }
}

/** Undefined if the row is gone. */
export function readLedgerRow(db: Database.Database): LedgerRow | undefined {
  return toLedgerRow(db.prepare<[], Columns>(SELECT_LEDGER_ROW).get());
}

/** Throws LedgerRefused if the row is gone; `name` is the file's, if `db` is only a copy of it. */
export function requireLedgerRow(db: Database.Database, remedy: Remedy, name = db.name): LedgerRow {
  return readLedgerRow(db) ?? refuseWithout(name, remedy);
}

/** Makes an empty ledger start at this order_id. */
export function setNextOrderId(db: Database.Database, nextOrderId: bigint): void {
  db.prepare('UPDATE ledger SET first_order_id = ?, last_order_id = ?').run(nextOrderId, nextOrderId - 1n);
}

/** Makes the ledger continue above this order_id, with no create_time before this one. */
export function continueAbove(db: Database.Database, lastOrderId: bigint, lastCreateTimeMs: bigint): void {
  db.prepare('UPDATE ledger SET last_order_id = ?, last_create_time_ms = max(last_create_time_ms, ?)').run(
    lastOrderId,
    lastCreateTimeMs,
  );
}

/** Records that the ledger was moved to this place. */
export function seal(db: Database.Database, place: Place): void {
  db.prepare('UPDATE ledger SET sealed_to = ?').run(placeText(place));
}

/** The refusal of a ledger that was moved. It shows the place's name only: its identity means nothing to people. */
export function movedAway(database: string, { name }: Place, consequence: string): LedgerRefused {
  return new LedgerRefused(`${database} was moved to ${name} and must never number again; ${consequence}`);
}

function toLedgerRow(row: Columns | undefined): LedgerRow | undefined {
  if (!row) return undefined;
  return {
    ledgerId: row.ledger_id,
    firstOrderId: row.first_order_id,
    lastOrderId: row.last_order_id,
    lastCreateTimeMs: row.last_create_time_ms,
    movedTo: row.sealed_to === null ? undefined : placeOf(row.sealed_to),
  };
}

function refuseWithout(name: string, remedy: Remedy): never {
  throw new LedgerRefused(`${name} is damaged: its counter is missing; ${remedy}`);
}
