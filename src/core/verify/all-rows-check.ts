import { INT64_MIN } from '../allocation.ts';
import type { Losses } from './declared-losses.ts';
import { SequenceCheck } from './sequence-check.ts';
import { type Finding, mismatch, type VerifyEvent, type VerifyProgress } from './events.ts';

/** The counter of order_ids when the reading begins. */
export interface LedgerToVerify {
  readonly firstOrderId: bigint;
  readonly lastOrderId: bigint;
  /** Rows above the counter, at the same moment. */
  readonly rowsAbove: bigint;
  /** Whether there are more of them than were counted. */
  readonly hasMoreAbove: boolean;
  /** The order_id up to which rows are verified. */
  readonly end: bigint;
}

/** A row as the reading of one store sees it. */
export interface StoreRow {
  readonly orderNumber: bigint;
  readonly orderId: bigint;
  readonly count: bigint;
  readonly createTimeMs: bigint;
}

/** A row as the pass over all of them sees it. */
export interface PassRow extends StoreRow {
  readonly storeId: bigint;
}

/** What the rows of a store add up to. */
export interface SeenStore {
  /** The first number of its first row. */
  readonly first: bigint;
  /** The number after the last one. */
  readonly next: bigint;
  /** Numbers that the rows cover. */
  readonly count: bigint;
  readonly rows: number;
  /** Rows that the index of order_numbers has; this one and the next are counted later, here to save a map of their own. */
  entries: number;
  hasCounter: boolean;
  /** Whether each row's numbers came right after those of the one before. */
  readonly inOrder: boolean;
}

/**
 * One pass over all rows in order_id order, which checks both sequences of every row at once: inside a store each
 * order_number must be the one after the store's last, or that store has to be read again by its numbers, to name
 * what is wrong.
 */
export class AllRowsCheck {
  readonly #end: bigint;
  readonly #sequence: SequenceCheck;
  readonly #stores = new Map<bigint, { -readonly [Key in keyof SeenStore]: SeenStore[Key] }>();
  /** Counted in doubles, which cost no allocation per row. */
  #rows = 0;
  #mismatches: Finding[] = [];
  #lastCreateTimeMs = INT64_MIN;

  /** `end` is the order_id at which the reading ends. */
  constructor(firstOrderId: bigint, end: bigint) {
    this.#end = end;
    this.#sequence = new SequenceCheck(undefined, firstOrderId);
  }

  get rows(): bigint {
    return BigInt(this.#rows);
  }

  get stores(): ReadonlyMap<bigint, SeenStore> {
    return this.#stores;
  }

  /** The next row in order_id order. */
  add({ orderId, storeId, orderNumber, count, createTimeMs }: PassRow): void {
    this.#rows++;
    this.#sequence.add(orderId, count);
    if (createTimeMs < this.#lastCreateTimeMs) {
      const message = `create_time falls at order_id ${orderId}, from ${this.#lastCreateTimeMs} to ${createTimeMs} ms`;
      this.#mismatches.push(mismatch(undefined, orderId, orderId, message));
    } else this.#lastCreateTimeMs = createTimeMs;
    let store = this.#stores.get(storeId);
    if (!store) {
      store = {
        first: orderNumber,
        next: orderNumber,
        count: 0n,
        rows: 0,
        entries: 0,
        hasCounter: false,
        inOrder: true,
      };
      this.#stores.set(storeId, store);
    }
    if (orderNumber !== store.next || count < 1n) store.inOrder = false;
    store.next = orderNumber + count;
    store.count += count;
    store.rows++;
  }

  /** What was found since the last time. */
  *takeFindings(losses: Losses): Generator<Finding> {
    yield* this.#mismatches;
    this.#mismatches = [];
    yield* this.#sequence.takeFindings(losses);
  }

  /** No more rows come. */
  *finish(losses: Losses): Generator<VerifyEvent> {
    this.#sequence.finish(this.#end);
    yield* this.#sequence.end(this.#end, losses);
  }

  progress(orderId: bigint): VerifyProgress {
    return { kind: 'progress', rowsRead: this.rows, orderId, endOrderId: this.#end };
  }
}

/** No row lies beyond the counter of order_ids, at the moment that it was read. */
export function* checkRowsAbove({ lastOrderId, rowsAbove, hasMoreAbove }: LedgerToVerify): Generator<Finding> {
  if (rowsAbove === 0n) return;
  const message = `${rowsAbove} ${hasMoreAbove ? 'or more ' : ''}rows lie above the counter of order_ids, ${lastOrderId}`;
  yield mismatch(undefined, lastOrderId + 1n, lastOrderId + 1n, message);
}
