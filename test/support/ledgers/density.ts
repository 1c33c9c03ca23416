import assert from 'node:assert/strict';
import Database from 'better-sqlite3';
import type { AllocationRow } from '../../../src/engines/sqlite/statements/rows.ts';
import type { LedgerCounters, LedgerSnapshot, StoreCounter } from './dense-rows.ts';
import { assertDenseRows } from './dense-rows.ts';

/**
 * Reads the file of a ledger, past the server, and asserts that its rows are dense; returns them in order_id order.
 * postgres/density.ts does so for a database.
 */
export function assertDense(path: string): readonly AllocationRow[] {
  const snapshot = readLedger(path);
  assertDenseRows(snapshot);
  return snapshot.rows;
}

/** Reads in one snapshot, so that no server has to stop for it. */
export function readLedger(path: string): LedgerSnapshot<AllocationRow> {
  const db = new Database(path, { readonly: true, fileMustExist: true });
  try {
    db.defaultSafeIntegers(true);
    return db.transaction(() => {
      const ledger = db.prepare<[], LedgerCounters>('SELECT * FROM ledger').get();
      assert.ok(ledger, 'the table ledger is empty');
      const stores = db.prepare<[], StoreCounter>('SELECT * FROM stores').all();
      const rows = db.prepare<[], AllocationRow>('SELECT * FROM allocations ORDER BY order_id').all();
      return { ledger, stores, rows };
    })();
  } finally {
    db.close();
  }
}
