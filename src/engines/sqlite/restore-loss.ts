import type Database from 'better-sqlite3';
import { INT64_MAX } from '../../allocation.ts';
import { LedgerRefused } from '../../errors.ts';

/** Numbers that a return to an older copy gives up. */
export interface Loss {
  readonly firstOrderId: bigint;
  readonly lastOrderId: bigint;
  /** Numbers that each store skips: as many as the lost range is long. */
  readonly length: bigint;
}

/**
 * Declares everything lost that was given after the end of this copy, up to `knownEnd`, in one transaction:
 * order_ids go on above it, and each store skips as many numbers as it can have given at most. Throws
 * LedgerRefused where a store has not that many left. `lastCreateTimeMs` is the latest time known.
 */
export function declareLoss(db: Database.Database, knownEnd: bigint, lastCreateTimeMs: bigint): Loss {
  const declare = db.transaction((): Loss => {
    const end = db.prepare<[], bigint>('SELECT last_order_id FROM ledger').pluck().get();
    if (end === undefined || end >= knownEnd) throw new Error(`nothing is lost between ${end} and ${knownEnd}`);
    const length = knownEnd - end;
    const full = db
      .prepare<[bigint], { store_id: bigint; last_number: bigint }>(
        'SELECT store_id, last_number FROM stores WHERE last_number > ? LIMIT 1',
      )
      .get(INT64_MAX - length);
    if (full) {
      throw new LedgerRefused(
        `store ${full.store_id} is at order_number ${full.last_number} and cannot skip ${length} more, which is what ` +
          'may be lost: put a newer copy back',
      );
    }
    const now = BigInt(Date.now());
    db.prepare('INSERT INTO declared_losses VALUES (NULL, ?, ?, ?)').run(end + 1n, knownEnd, now);
    db.prepare(
      'INSERT INTO declared_losses SELECT store_id, last_number + 1, last_number + ?, ? FROM stores ORDER BY store_id',
    ).run(length, now);
    db.prepare('UPDATE stores SET last_number = last_number + ?').run(length);
    db.prepare('UPDATE ledger SET last_order_id = ?, last_create_time_ms = max(last_create_time_ms, ?)').run(
      knownEnd,
      lastCreateTimeMs,
    );
    return { firstOrderId: end + 1n, lastOrderId: knownEnd, length };
  });
  return declare.immediate();
}
