import type Database from 'better-sqlite3';
import { OrderError } from '../../../core/errors.ts';
import { firstNumberFixed, storeExists, storeNotFound, storeUnknown } from '../../../core/refusals.ts';
import type { ChangedStore, Store, StoreChanges, StoreSettings } from '../../../core/store.ts';
import { changedStore } from '../../../core/changed-store.ts';
import type { StoreRow } from './rows.ts';
import { toStore } from './rows.ts';

/** Why a store was not created or changed. Nothing is written then. */
export type StoreRefusal = 'exists' | 'not found' | 'first number fixed';

/** The transactions that create and change stores. Prepared once per connection. */
export class StoreTransaction {
  readonly #select: Database.Statement<[bigint], StoreRow>;
  readonly #insert: Database.Statement;
  readonly #update: Database.Statement;
  readonly #create: Database.Transaction<(store: StoreSettings) => Store | StoreRefusal>;
  readonly #change: Database.Transaction<(storeId: bigint, changes: StoreChanges) => ChangedStore | StoreRefusal>;

  constructor(db: Database.Database) {
    this.#select = db.prepare('SELECT * FROM stores WHERE store_id = ?');
    this.#insert = db.prepare(
      `INSERT INTO stores (store_id, first_number, last_number, prefix, suffix, min_digits, create_time_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#update = db.prepare(
      `UPDATE stores SET first_number = ?, last_number = ?, prefix = ?, suffix = ?, min_digits = ? WHERE store_id = ?`,
    );
    this.#create = db.transaction((store) => this.#insertNew(store));
    this.#change = db.transaction((storeId, changes) => this.#updateKnown(storeId, changes));
  }

  create(store: StoreSettings): Store | StoreRefusal {
    return this.#create.immediate(store);
  }

  change(storeId: bigint, changes: StoreChanges): ChangedStore | StoreRefusal {
    return this.#change.immediate(storeId, changes);
  }

  #insertNew({ storeId, firstNumber, prefix, suffix, minDigits }: StoreSettings): Store | StoreRefusal {
    if (this.#select.get(storeId)) return 'exists';
    this.#insert.run(storeId, firstNumber, firstNumber - 1n, prefix, suffix, minDigits, Date.now());
    return this.#read(storeId);
  }

  #updateKnown(storeId: bigint, changes: StoreChanges): ChangedStore | StoreRefusal {
    const row = this.#select.get(storeId);
    if (!row) return 'not found';
    const before = toStore(row);
    const after = changedStore(before, changes);
    if (after instanceof OrderError) return 'first number fixed';
    const { firstNumber, lastNumber, prefix, suffix, minDigits } = after;
    this.#update.run(firstNumber, lastNumber, prefix, suffix, minDigits, storeId);
    return { before, after };
  }

  #read(storeId: bigint): Store {
    return toStore(this.#select.get(storeId)!);
  }
}

/** The outcome of a store write on another thread, in the words of the core. */
export async function storeOutcome<Written extends object>(
  storeId: bigint,
  write: Promise<Written | StoreRefusal>,
): Promise<Written> {
  const written = await write.catch((error: unknown) => {
    throw error instanceof OrderError ? error : storeUnknown(storeId, error);
  });
  if (typeof written === 'string') throw toStoreError(written, storeId);
  return written;
}

function toStoreError(refusal: StoreRefusal, storeId: bigint): OrderError {
  if (refusal === 'not found') return storeNotFound(storeId);
  return refusal === 'exists' ? storeExists(storeId) : firstNumberFixed(storeId);
}
