import assert from 'node:assert/strict';

/** The counter of the sequence over all stores, as the ledger has it. */
export interface LedgerCounters {
  readonly first_order_id: bigint;
  readonly last_order_id: bigint;
  readonly last_create_time_ms: bigint;
}

/** The counter of one store. */
export interface StoreCounter {
  readonly store_id: bigint;
  readonly first_number: bigint;
  readonly last_number: bigint;
}

/** What density is about in a row of the table allocations, whichever engine keeps it. */
export interface DenseRow {
  readonly order_id: bigint;
  readonly store_id: bigint;
  readonly order_number: bigint;
  readonly count: bigint | number;
  readonly request_id: string;
  readonly create_time_ms: bigint;
}

/** A ledger as it was at one moment; its rows in order_id order. */
export interface LedgerSnapshot<Row extends DenseRow> {
  readonly ledger: LedgerCounters;
  readonly stores: readonly StoreCounter[];
  readonly rows: readonly Row[];
}

/**
 * Asserts what must hold for a ledger at every moment: no hole and no overlap in either sequence, counters that
 * agree with the rows, each request_id once a store, a create_time that never falls.
 */
export function assertDenseRows({ ledger, stores, rows }: LedgerSnapshot<DenseRow>): void {
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
    nextOrderId += BigInt(row.count);
    nextNumber.set(row.store_id, row.order_number + BigInt(row.count));
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
}
