import type { Density } from '../peer.ts';

/** One order as a peer has stored it. */
export interface StoredOrder {
  readonly orderId: number;
  readonly storeId: number;
  readonly orderNumber: number;
}

/** A counter as a peer has stored it. */
export interface StoredCounter {
  /** The number of the first order. */
  readonly first: number;
  /** The number of the last order; `first` - 1 if there is none. */
  readonly last: number;
}

/** The counters of all orders and of each store, by store_id. */
export interface StoredCounters {
  readonly orders: StoredCounter;
  readonly stores: ReadonlyMap<number, StoredCounter>;
}

/**
 * Counts the numbers that are missing and those that were given twice, in the sequence of all orders and in those of the
 * stores, for rows in any order. Throws if a counter does not cover the number of an order, because a later order would get
 * it again.
 */
export function countDensity(rows: Iterable<StoredOrder>, counters: StoredCounters): Density {
  const all = new Sequence('order_id', counters.orders);
  const stores = new Map<number, Sequence>();
  for (const [storeId, counter] of counters.stores) stores.set(storeId, new Sequence(`store ${storeId}`, counter));
  let orders = 0;
  for (const { orderId, storeId, orderNumber } of rows) {
    const store = stores.get(storeId);
    if (!store) throw new Error(`store ${storeId} has orders but no counter`);
    all.add(orderId);
    store.add(orderNumber);
    orders++;
  }
  const sequences = [all, ...stores.values()];
  return {
    orders,
    holes: sum(sequences.map(({ holes }) => holes)),
    repeats: sum(sequences.map(({ repeats }) => repeats)),
  };
}

/** The numbers of one sequence. */
class Sequence {
  readonly #name: string;
  readonly #counter: StoredCounter;
  readonly #given = new Set<number>();
  #rows = 0;

  constructor(name: string, counter: StoredCounter) {
    this.#name = name;
    this.#counter = counter;
  }

  add(number: number): void {
    const { first, last } = this.#counter;
    // Negated, so that NaN is refused, too.
    if (!(number >= first && number <= last)) {
      throw new Error(`${this.#name}: ${number} was given, but the counter covers ${first} to ${last}`);
    }
    this.#given.add(number);
    this.#rows++;
  }

  get holes(): number {
    return this.#counter.last - this.#counter.first + 1 - this.#given.size;
  }

  get repeats(): number {
    return this.#rows - this.#given.size;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
