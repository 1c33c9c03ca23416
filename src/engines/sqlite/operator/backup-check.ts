import { setImmediate as nextTurn } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import { LedgerRefused } from '../../../core/errors.ts';
import { verifyInPages } from '../../../core/verify/verify-ledger.ts';
import { requireLedgerRow } from '../file/ledger-row.ts';
import { requireFilledLedger } from '../file/schema.ts';
import { SqliteVerifySource } from '../verify/verify-source.ts';

/** The summary of a ledger. */
export interface LedgerSummary {
  readonly ledgerId: string;
  readonly firstOrderId: bigint;
  readonly lastOrderId: bigint;
  /** Allocations. */
  readonly rows: bigint;
  readonly stores: bigint;
  /** The name of the place that it was moved to; it never allocates again. */
  readonly movedTo: string | undefined;
}

/** The options of a check of a copy. */
export interface CopyCheck {
  /** The file that `db` is a copy of, for messages: the operator does not know the copy. */
  readonly name: string;
  /** Stops it between two pages. */
  readonly signal?: AbortSignal | undefined;
  /** Is told the order_id up to which the copy is checked, and the order_id at which it ends. */
  readonly onProgress?: ((orderId: bigint, endOrderId: bigint) => void) | undefined;
}

/**
 * Checks that SQLite finds nothing wrong, that this is a ledger, and that a verification finds nothing either. Throws
 * LedgerRefused with the first finding. Nothing else may write to `db`.
 */
export async function checkLedger(
  db: Database.Database,
  { name, signal, onProgress }: CopyCheck,
): Promise<LedgerSummary> {
  const refused = (finding: string) => new LedgerRefused(`${name} is damaged: ${finding}; use another copy`);
  requireFilledLedger(db);
  const integrity = String(db.pragma('integrity_check(1)', { simple: true }));
  if (integrity !== 'ok') throw refused(`integrity_check says ${integrity}`);
  if (db.prepare('SELECT 1 FROM ledger').get() === undefined) throw refused('its counter is missing');
  for await (const events of verifyInPages(new SqliteVerifySource(db), undefined)) {
    for (const event of events) {
      if (event.kind === 'finding') throw refused(event.message);
      if (event.kind === 'progress') onProgress?.(event.orderId, event.endOrderId);
    }
    await nextTurn();
    signal?.throwIfAborted();
  }
  return summarize(db);
}

/** Summarizes a ledger. Throws LedgerRefused if its counter is missing. */
export function summarize(db: Database.Database): LedgerSummary {
  const { ledgerId, firstOrderId, lastOrderId, movedTo } = requireLedgerRow(db, 'use another copy');
  const count = (table: string) => db.prepare<[], bigint>(`SELECT count(*) FROM ${table}`).pluck().get() ?? 0n;
  return {
    ledgerId,
    firstOrderId,
    lastOrderId,
    movedTo: movedTo?.name,
    rows: count('allocations'),
    stores: count('stores'),
  };
}
