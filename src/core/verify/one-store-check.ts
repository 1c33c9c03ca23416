import { INT64_MIN } from '../allocation.ts';
import type { StoreRow } from './all-rows-check.ts';
import type { StoreCounter } from './counters-check.ts';
import type { Losses } from './declared-losses.ts';
import { type Finding, mismatch, type VerifyEvent, type VerifyProgress } from './events.ts';
import { SequenceCheck } from './sequence-check.ts';

/** Reads one store by its numbers, to name what is wrong with them. */
export class OneStoreCheck {
  readonly storeId: bigint;
  readonly #checksTimes: boolean;
  readonly #sequence: SequenceCheck;
  #rows = 0n;
  #mismatches: Finding[] = [];
  readonly #counter: bigint;
  #lastNumber: bigint;
  #lastOrderId = 0n;
  #lastCreateTimeMs = INT64_MIN;

  /** `checksTimes` if no pass over all rows checks them. */
  constructor({ storeId, firstNumber, lastNumber }: StoreCounter, checksTimes: boolean) {
    this.storeId = storeId;
    this.#checksTimes = checksTimes;
    this.#sequence = new SequenceCheck(storeId, firstNumber);
    this.#counter = lastNumber;
    this.#lastNumber = firstNumber - 1n;
  }

  get rows(): bigint {
    return this.#rows;
  }

  progress(endOrderId: bigint): VerifyProgress {
    return { kind: 'progress', rowsRead: this.#rows, orderId: this.#lastOrderId, endOrderId };
  }

  /** The next row in the order of its numbers. */
  add({ orderNumber, orderId, count, createTimeMs }: StoreRow): void {
    this.#rows++;
    this.#sequence.add(orderNumber, count);
    if (orderId <= this.#lastOrderId) {
      const message = `order_number ${orderNumber} of store ${this.storeId} has order_id ${orderId}, and the number before it ${this.#lastOrderId}: they do not rise together`;
      this.#mismatches.push(mismatch(this.storeId, orderNumber, orderNumber, message));
    } else if (createTimeMs < this.#lastCreateTimeMs && this.#checksTimes) {
      const message = `create_time falls at order_number ${orderNumber} of store ${this.storeId}`;
      this.#mismatches.push(mismatch(this.storeId, orderNumber, orderNumber, message));
    }
    this.#lastOrderId = orderId;
    this.#lastCreateTimeMs = createTimeMs;
    this.#lastNumber = orderNumber + count - 1n;
  }

  /** What was found since the last time. */
  *takeFindings(losses: Losses): Generator<Finding> {
    yield* this.#mismatches;
    this.#mismatches = [];
    yield* this.#sequence.takeFindings(losses);
  }

  /** No more rows come. */
  *finish(losses: Losses): Generator<VerifyEvent> {
    yield* this.#sequence.end(losses.endAfter(this.storeId, this.#lastNumber, this.#counter), losses);
  }
}
