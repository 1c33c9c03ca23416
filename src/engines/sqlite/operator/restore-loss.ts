import type Database from 'better-sqlite3';
import { INT64_MAX } from '../../../core/allocation.ts';
import { LedgerRefused } from '../../../core/errors.ts';
import { continueAbove, requireLedgerRow } from '../file/ledger-row.ts';
import type { ImportedStore } from '../../../core/move/imported-store.ts';

/** The points at which the numbers of a restored copy continue. */
export interface Continuation {
  /** The greatest order_id that may have been given. The next one is above it. */
  readonly above: bigint;
  /** Stores whose next order_number is known. Every other store skips as many numbers as order_ids are lost. */
  readonly stores: Iterable<ImportedStore>;
  /** The latest known create_time, which later ones must not precede. */
  readonly lastCreateTimeMs: bigint;
}

/** The numbers that a return to an older copy gives up. */
export interface Loss {
  /** The lost order_ids; `length` is 0 if none is lost. */
  readonly firstOrderId: bigint;
  readonly lastOrderId: bigint;
  readonly length: bigint;
  /** Stores that skip `length` numbers. */
  readonly storesSkipped: bigint;
  /** Stores of the copy that continue with a given number. */
  readonly storesContinued: bigint;
  /** Stores that the copy lacks. */
  readonly storesCreated: bigint;
}

/**
 * What {@link declareLoss} would do to this copy. Changes nothing. Throws LedgerRefused if order_ids or a store's numbers
 * would go back, or if a store has too few numbers left.
 */
export function planLoss(db: Database.Database, continuation: Continuation): Loss {
  return db.transaction(() => plan(db, continuation))();
}

/**
 * Declares lost, in one transaction, everything that may have been given after the end of this copy. order_ids continue
 * above `above`, a store in `stores` with its next number, and every other store skips the most that it can have given.
 * Throws as {@link planLoss} does.
 */
export function declareLoss(db: Database.Database, continuation: Continuation): Loss {
  const declare = db.transaction((): Loss => {
    const loss = plan(db, continuation);
    const { above, lastCreateTimeMs } = continuation;
    const now = BigInt(Date.now());
    if (loss.length > 0n) {
      db.prepare('INSERT INTO declared_losses VALUES (NULL, ?, ?, ?)').run(loss.firstOrderId, above, now);
    }
    db.prepare(
      `INSERT INTO declared_losses
       SELECT store_id, last_number + 1, coalesce(next_number - 1, last_number + ?), ?
       FROM stores LEFT JOIN temp.continued USING (store_id)
       WHERE coalesce(next_number - 1, last_number + ?) > last_number ORDER BY store_id`,
    ).run(loss.length, now, loss.length);
    db.prepare(
      `UPDATE stores SET last_number = coalesce(
         (SELECT next_number - 1 FROM temp.continued c WHERE c.store_id = stores.store_id), last_number + ?)`,
    ).run(loss.length);
    db.prepare(
      `INSERT INTO stores (store_id, first_number, last_number, create_time_ms)
       SELECT store_id, next_number, next_number - 1, ? FROM temp.continued
       WHERE store_id NOT IN (SELECT store_id FROM stores) ORDER BY store_id`,
    ).run(now);
    continueAbove(db, above, lastCreateTimeMs);
    return loss;
  });
  return declare.immediate();
}

/** Leaves the given stores in temp.continued. */
function plan(db: Database.Database, { above, stores }: Continuation): Loss {
  const { lastOrderId: end } = requireLedgerRow(db, 'use another copy');
  if (end > above) throw new Error(`order_ids would go back from ${end} to ${above}`);
  const length = above - end;
  db.exec('DROP TABLE IF EXISTS temp.continued');
  db.exec('CREATE TEMP TABLE continued (store_id INTEGER PRIMARY KEY, next_number INTEGER NOT NULL)');
  const insert = db.prepare<[bigint, bigint]>('INSERT INTO temp.continued VALUES (?, ?)');
  for (const { storeId, nextNumber } of stores) insert.run(storeId, nextNumber);
  requireNoReturn(db);
  requireRoom(db, length);
  const count = (condition: string) => db.prepare<[], bigint>(`SELECT count(*) FROM ${condition}`).pluck().get() ?? 0n;
  const storesContinued = count('stores JOIN temp.continued USING (store_id)');
  return {
    firstOrderId: end + 1n,
    lastOrderId: above,
    length,
    storesSkipped: length === 0n ? 0n : count('stores') - storesContinued,
    storesContinued,
    storesCreated: count('temp.continued') - storesContinued,
  };
}

function requireNoReturn(db: Database.Database): void {
  const behind = db
    .prepare<[], { store_id: bigint; last_number: bigint; next_number: bigint }>(
      `SELECT store_id, last_number, next_number FROM stores JOIN temp.continued USING (store_id)
       WHERE next_number <= last_number ORDER BY store_id LIMIT 1`,
    )
    .get();
  if (!behind) return;
  throw new LedgerRefused(
    `store ${behind.store_id} would give numbers twice: its next_number is ${behind.next_number}, but the backup has ` +
      `already given its numbers up to ${behind.last_number}; use ${behind.last_number + 1n} or more, or omit the store`,
  );
}

function requireRoom(db: Database.Database, length: bigint): void {
  const full = db
    .prepare<[bigint], { store_id: bigint; last_number: bigint }>(
      `SELECT store_id, last_number FROM stores
       WHERE last_number > ? AND store_id NOT IN (SELECT store_id FROM temp.continued) ORDER BY store_id LIMIT 1`,
    )
    .get(INT64_MAX - length);
  if (!full) return;
  throw new LedgerRefused(
    `store ${full.store_id} is at order_number ${full.last_number} and cannot skip ${length} more, which may be ` +
      'lost; use a newer backup, or give the next_number of this store with --continue-above and --stores',
  );
}
