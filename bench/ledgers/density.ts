import { openReadConnection } from '../../src/engines/sqlite/file/connection.ts';

type Row = [orderId: bigint, storeId: bigint, orderNumber: bigint, count: bigint];

interface Counter {
  readonly first: bigint;
  readonly last: bigint;
  /** The first number of the next row. */
  next: bigint;
}

/**
 * Reads a ledger without a running server from end to end, and returns its number of allocations. Throws for a gap or a
 * duplicate, in the sequence over all stores or in a store's, and for a counter that disagrees with the rows.
 */
export function checkDensity(path: string): number {
  const db = openReadConnection(path);
  try {
    const ledger = db.prepare<[], [bigint, bigint]>('SELECT first_order_id, last_order_id FROM ledger').raw().get();
    if (!ledger) throw new Error('the counter of the ledger is missing');
    const orders = counter(...ledger);
    const stores = new Map<bigint, Counter>();
    const storeRows = db.prepare<[], [bigint, bigint, bigint]>(
      'SELECT store_id, first_number, last_number FROM stores',
    );
    for (const [storeId, first, last] of storeRows.raw().iterate()) stores.set(storeId, counter(first, last));

    let allocations = 0;
    const rows = db.prepare<[], Row>(
      'SELECT order_id, store_id, order_number, count FROM allocations ORDER BY order_id',
    );
    for (const [orderId, storeId, orderNumber, count] of rows.raw().iterate()) {
      const store = stores.get(storeId);
      if (!store) throw new Error(`store ${storeId} has allocations but no counter`);
      advance(orders, orderId, count, 'order_id');
      advance(store, orderNumber, count, `store ${storeId}: order_number`);
      allocations++;
    }
    checkEnd(orders, 'order_id');
    for (const [storeId, store] of stores) checkEnd(store, `store ${storeId}: order_number`);
    return allocations;
  } finally {
    db.close();
  }
}

/** Throws unless the ledger has no gaps and exactly one allocation per answered call. */
export function requireAllocations(path: string, answered: number): void {
  const allocations = checkDensity(path);
  if (allocations !== answered) {
    throw new Error(`${answered} calls were answered, but the ledger has ${allocations} allocations`);
  }
}

function counter(first: bigint, last: bigint): Counter {
  return { first, last, next: first };
}

function advance(sequence: Counter, number: bigint, count: bigint, name: string): void {
  if (number > sequence.next) throw new Error(`${name} ${sequence.next} is missing: ${number} comes next`);
  if (number < sequence.next) throw new Error(`${name} ${number} is a duplicate: it comes after ${sequence.next - 1n}`);
  sequence.next += count;
}

function checkEnd({ last, next }: Counter, name: string): void {
  if (last !== next - 1n) throw new Error(`the counter says ${name} ${last}, but the rows end at ${next - 1n}`);
}
