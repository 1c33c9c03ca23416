import { openReadConnection } from '../../src/engines/sqlite/file/connection.ts';
import type { Density } from '../peer.ts';

type Row = [orderId: bigint, storeId: bigint, orderNumber: bigint, count: bigint];

/**
 * The numbers of one sequence, which come in the order of the rows. It holds none of them, so that a ledger of any size can
 * be read; the peers, whose rows come in any order, are counted by bench/peers/stored-numbers.ts.
 */
class Sequence {
  readonly #last: bigint;
  #next: bigint;
  holes = 0;
  repeats = 0;

  constructor(first: bigint, last: bigint) {
    this.#next = first;
    this.#last = last;
  }

  add(number: bigint, count: bigint): void {
    if (number > this.#next) this.holes += Number(number - this.#next);
    const next = number + count;
    if (number < this.#next) this.repeats += Number((next < this.#next ? next : this.#next) - number);
    if (next > this.#next) this.#next = next;
  }

  /** A counter beyond the last row has given numbers that no row has; one behind it will give some again. */
  end(): void {
    const difference = Number(this.#last + 1n - this.#next);
    if (difference > 0) this.holes += difference;
    else this.repeats -= difference;
  }
}

/**
 * Reads a ledger on SQLite from end to end, in one transaction, and counts the holes and repeats in the sequence over all
 * stores and in that of each store.
 */
export function densityOf(path: string): Density {
  const db = openReadConnection(path);
  db.exec('BEGIN');
  try {
    const ledger = db.prepare<[], [bigint, bigint]>('SELECT first_order_id, last_order_id FROM ledger').raw().get();
    if (!ledger) throw new Error('the counter of the ledger is missing');
    const all = new Sequence(...ledger);
    const stores = new Map<bigint, Sequence>();
    const storeRows = db.prepare<[], [bigint, bigint, bigint]>(
      'SELECT store_id, first_number, last_number FROM stores',
    );
    for (const [storeId, first, last] of storeRows.raw().iterate()) stores.set(storeId, new Sequence(first, last));

    let orders = 0;
    const rows = db.prepare<[], Row>(
      'SELECT order_id, store_id, order_number, count FROM allocations ORDER BY order_id',
    );
    for (const [orderId, storeId, orderNumber, count] of rows.raw().iterate()) {
      const store = stores.get(storeId);
      if (!store) throw new Error(`store ${storeId} has allocations but no counter`);
      all.add(orderId, count);
      store.add(orderNumber, count);
      orders++;
    }
    const sequences = [all, ...stores.values()];
    for (const sequence of sequences) sequence.end();
    const sum = (of: (sequence: Sequence) => number) => sequences.reduce((total, sequence) => total + of(sequence), 0);
    return { orders, holes: sum(({ holes }) => holes), repeats: sum(({ repeats }) => repeats) };
  } finally {
    db.close();
  }
}

/** Throws an Error that begins with `name` if there is a hole or a repeat. */
export function requireDense(name: string, { holes, repeats }: Density): void {
  if (holes > 0 || repeats > 0) throw new Error(`${name} has ${holes} holes and ${repeats} repeats`);
}

/** Throws unless the ledger has no hole, no repeat, and exactly one allocation per answered call. */
export function requireAllocations(path: string, answered: number): void {
  const density = densityOf(path);
  requireDense('the ledger', density);
  const { orders } = density;
  if (orders !== answered) throw new Error(`${answered} calls were answered, but the ledger has ${orders} allocations`);
}
