import type { Losses } from './declared-losses.ts';
import type { SeenStore } from './all-rows-check.ts';
import { misplacedOrderNumbers, orderNumberIndex } from './index-check.ts';
import { checkLosses } from './sequence-check.ts';
import { type Finding, mismatch, type VerifyEvent } from './events.ts';

/** The counter of a store, and where its rows end. */
export interface StoreCounter {
  readonly storeId: bigint;
  readonly firstNumber: bigint;
  readonly lastNumber: bigint;
  /** The last number of its last row, at the same moment; null if it has none, undefined if that was not looked for. */
  readonly rowsEnd: bigint | null | undefined;
}

/** How many rows of a store the index of order_numbers has. */
export interface StoreEntries {
  readonly storeId: bigint;
  readonly entries: bigint;
  /** As in RequestIdPage. */
  readonly misplaced: bigint | undefined;
}

/** The counters of the stores against their rows. */
export class CountersCheck {
  readonly #losses: Losses;
  readonly #seen: ReadonlyMap<bigint, SeenStore> | undefined;
  /** Other stores with rows or losses whose counter has not come yet, with the last number of their rows. */
  readonly #withoutCounter: Map<bigint, bigint>;
  /** The entries of the index of order_numbers for stores without rows. */
  readonly #strayEntries = new Map<bigint, number>();

  /** `seen` is what all rows add up to, read by order_id; without it each store has to be read by its numbers. */
  constructor(losses: Losses, seen?: ReadonlyMap<bigint, SeenStore>) {
    this.#losses = losses;
    this.#seen = seen;
    const others = losses.stores().filter((storeId) => !seen?.has(storeId));
    this.#withoutCounter = new Map(others.map((storeId) => [storeId, 0n]));
  }

  /** This store has rows, so it must have a counter. */
  sawRows(storeId: bigint, lastNumber: bigint): void {
    this.#withoutCounter.set(storeId, lastNumber);
  }

  /** Rows of a store that the index of order_numbers has. */
  *addEntries({ storeId, entries, misplaced = 0n }: StoreEntries): Generator<Finding> {
    const seen = this.#seen?.get(storeId);
    if (seen) seen.entries += Number(entries);
    else this.#strayEntries.set(storeId, (this.#strayEntries.get(storeId) ?? 0) + Number(entries));
    if (misplaced > 0n) yield misplacedOrderNumbers(storeId, misplaced, entries);
  }

  /** The next store's counter. */
  *counter(store: StoreCounter): Generator<Finding> {
    const { storeId, lastNumber: counter } = store;
    this.#withoutCounter.delete(storeId);
    const seen = this.#seen?.get(storeId);
    if (seen) seen.hasCounter = true;
    const end = this.#rowsEnd(store);
    if (end === counter) return;
    const difference = `the counter of store ${storeId} is at ${counter}, but its rows end at ${end}`;
    if (end > counter) yield mismatch(storeId, counter + 1n, end, difference);
    if (end >= counter) return;
    for (const { first, last } of this.#losses.undeclared({ storeId, first: end + 1n, last: counter })) {
      yield mismatch(storeId, first, last, `${difference}: no row covers ${first} to ${last}`);
    }
  }

  /** If the end was not read, rows may have come since they were seen: they end there, or at the counter. */
  #rowsEnd({ storeId, firstNumber, lastNumber: counter, rowsEnd }: StoreCounter): bigint {
    if (rowsEnd !== undefined) return rowsEnd ?? firstNumber - 1n;
    const seenEnd = (this.#seen?.get(storeId)?.next ?? firstNumber) - 1n;
    return seenEnd > counter ? seenEnd : counter;
  }

  /** Whether a store has to be read by its numbers; otherwise `summary` reports it. */
  mustBeRead({ storeId, firstNumber }: StoreCounter): boolean {
    if (!this.#seen) return true;
    const rows = this.#seen.get(storeId);
    return rows !== undefined && (!rows.inOrder || rows.first !== firstNumber);
  }

  /** A store whose rows were seen to follow one another. */
  *summary({ storeId, firstNumber: first, lastNumber: counter }: StoreCounter): Generator<VerifyEvent> {
    const seen = this.#seen?.get(storeId);
    const last = this.#losses.endAfter(storeId, seen ? seen.next - 1n : first - 1n, counter);
    const count = seen?.count ?? 0n;
    yield* checkLosses({ storeId, first, last }, count, this.#losses);
    yield { kind: 'sequence', storeId, first, last, count };
  }

  /** The index of order_numbers has to have every row of a store. */
  *index({ storeId }: StoreCounter): Generator<Finding> {
    const seen = this.#seen?.get(storeId);
    const rows = seen?.rows ?? 0;
    const entries = seen?.entries ?? this.#strayEntries.get(storeId) ?? 0;
    if (entries !== rows) yield orderNumberIndex(storeId, entries, rows);
  }

  /** No more counters come. */
  *finish(): Generator<Finding> {
    for (const [storeId, { hasCounter, next }] of this.#seen ?? []) {
      if (!hasCounter) yield withoutCounter(storeId, next - 1n);
    }
    for (const [storeId, number] of this.#withoutCounter) yield withoutCounter(storeId, number);
  }
}

function withoutCounter(storeId: bigint, number: bigint): Finding {
  return mismatch(storeId, number, number, `store ${storeId} has rows or declared losses but no counter`);
}
