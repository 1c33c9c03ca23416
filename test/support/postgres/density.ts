import assert from 'node:assert/strict';
import type { DenseRow, LedgerCounters, LedgerSnapshot, StoreCounter } from '../ledgers/dense-rows.ts';
import { assertDenseRows } from '../ledgers/dense-rows.ts';
import { withClient } from './query.ts';

/** What density.ts is for SQLite: reads the tables past the servers, and asserts that they are dense. */
export async function assertDense(url: string): Promise<readonly DenseRow[]> {
  const snapshot = await readLedger(url);
  assertDenseRows(snapshot);
  return snapshot.rows;
}

/** Reads in one snapshot, so that no server has to stop for it. */
function readLedger(url: string): Promise<LedgerSnapshot<DenseRow>> {
  return withClient(url, async (client) => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY');
    const [ledger] = (await client.query<LedgerCounters>('SELECT * FROM order_numbers.ledger')).rows;
    assert.ok(ledger, 'the table ledger is empty');
    const stores = await client.query<StoreCounter>('SELECT * FROM order_numbers.stores');
    const rows = await client.query<DenseRow>('SELECT * FROM order_numbers.allocations ORDER BY order_id');
    return { ledger, stores: stores.rows, rows: rows.rows };
  });
}
