import assert from 'node:assert/strict';
import Database from 'better-sqlite3';
import type { AllocationRow } from '../../src/engines/sqlite/rows.ts';

interface Counters {
  readonly first_order_id: bigint;
  readonly last_order_id: bigint;
  readonly last_create_time_ms: bigint;
}

interface StoreCounter {
  readonly store_id: bigint;
  readonly first_number: bigint;
  readonly last_number: bigint;
}

/**
 * Reads the file of a ledger, past the server, and asserts what must hold for it at every moment: no hole
 * and no overlap in either sequence, counters that agree with the rows, each request_id once a store, a
 * create_time that never falls. Returns the rows in order_id order. Nobody has to stop for it: it reads
 * one snapshot.
 */
export function assertDense(path: string): AllocationRow[] {
  const { ledger, stores, rows } = readLedger(path);
  const nextNumber = new Map(stores.map((store) => [store.store_id, store.first_number]));
  const keys = new Set<string>();
  let nextOrderId = ledger.first_order_id;
  let createTimeMs = 0n;

  for (const row of rows) {
    const where = `in the row of order_id ${row.order_id}`;
    assert.equal(row.order_id, nextOrderId, `a hole or an overlap of order_ids ${where}`);
    assert.equal(row.order_number, nextNumber.get(row.store_id), `a hole or an overlap in a store ${where}`);
    assert.ok(row.create_time_ms >= createTimeMs, `create_time falls ${where}`);
    const key = `${row.store_id} ${row.request_id}`;
    assert.ok(!keys.has(key), `request_id ${row.request_id} twice in store ${row.store_id}, ${where}`);
    keys.add(key);
    nextOrderId += row.count;
    nextNumber.set(row.store_id, row.order_number + row.count);
    createTimeMs = row.create_time_ms;
  }
  assert.equal(ledger.last_order_id, nextOrderId - 1n, 'the counter of order_ids is not at the last row');
  if (rows.length > 0)
    assert.equal(ledger.last_create_time_ms, createTimeMs, "the last create_time is not the last row's");
  for (const { store_id, last_number } of stores) {
    assert.equal(
      last_number,
      nextNumber.get(store_id)! - 1n,
      `the counter of store ${store_id} is not at its last row`,
    );
  }
  return rows;
}

function readLedger(path: string) {
  const db = new Database(path, { readonly: true, fileMustExist: true });
  try {
    db.defaultSafeIntegers(true);
    return db.transaction(() => {
      const ledger = db.prepare<[], Counters>('SELECT * FROM ledger').get();
      assert.ok(ledger, 'the table ledger is empty');
      const stores = db.prepare<[], StoreCounter>('SELECT * FROM stores').all();
      const rows = db.prepare<[], AllocationRow>('SELECT * FROM allocations ORDER BY order_id').all();
      return { ledger, stores, rows };
    })();
  } finally {
    db.close();
  }
}
