import type { LedgerSnapshot, DenseRow } from '../../support/ledgers/dense-rows.ts';
import type { Pair } from './pair.ts';
import { lastOrderId, pairOfRow } from './pair.ts';

/** The ledger after a run: its rows, or a snapshot with its counters. */
export type LedgerContents = readonly DenseRow[] | LedgerSnapshot<DenseRow>;

/** The rows of a ledger in order_id order, found by any order_id without an index of their own. */
export class Rows {
  readonly pairs: readonly Pair[];
  /** The first order_id of each; no test counts beyond 2^53. */
  readonly #first: Float64Array;

  constructor(contents: LedgerContents) {
    const rows = 'rows' in contents ? contents.rows : contents;
    const pairs = rows.map(pairOfRow);
    const isSorted = pairs.every((pair, i) => i === 0 || pairs[i - 1]!.orderId <= pair.orderId);
    this.pairs = isSorted ? pairs : pairs.toSorted((a, b) => (a.orderId < b.orderId ? -1 : 1));
    this.#first = Float64Array.from(this.pairs, (pair) => Number(pair.orderId));
  }

  /** The position of the row that has this order_id; -1 if none has. */
  indexOf(orderId: bigint): number {
    const sought = Number(orderId);
    let low = 0;
    let high = this.#first.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#first[middle]! <= sought) low = middle + 1;
      else high = middle;
    }
    // The last one that does not begin above it.
    const pair = this.pairs[low - 1];
    return pair && lastOrderId(pair) >= orderId ? low - 1 : -1;
  }

  /** The positions of the rows of these requests, each `store request`. */
  ofRequests(keys: ReadonlySet<string>): Map<string, number> {
    const found = new Map<string, number>();
    if (keys.size === 0) return found;
    for (const [i, pair] of this.pairs.entries()) {
      const key = keyOf(pair);
      if (keys.has(key)) found.set(key, i);
    }
    return found;
  }
}

/** A request's name in the ledger. */
export function keyOf({ storeId, requestId }: { readonly storeId: bigint; readonly requestId: string }): string {
  return `${storeId} ${requestId}`;
}
