import { type Finding, type FindingKind, mismatch, type NumberRange, type VerifyEvent } from './events.ts';
import type { Losses } from './declared-losses.ts';

/** Rows and declared losses have to fill a sequence exactly: losses lie neither on rows nor beyond the end. */
export function* checkLosses(sequence: NumberRange, count: bigint, losses: Losses): Generator<Finding> {
  const { storeId, first, last } = sequence;
  const lost = losses.numbers(storeId);
  if (count + lost === last - first + 1n) return;
  const whose = storeId === undefined ? 'order_ids' : `order_numbers of store ${storeId}`;
  const message = `${count} ${whose} have rows and ${lost} are recorded as lost, of ${last - first + 1n}: the losses lie on rows or beyond the end`;
  yield mismatch(storeId, first, last, message);
}

/** Checks that the runs of one sequence, told in the order of their numbers, follow one another exactly. */
export class SequenceCheck {
  readonly #storeId: bigint | undefined;
  readonly #first: bigint;
  #next: bigint;
  #count = 0n;
  #gaps: NumberRange[] = [];
  #findings: Finding[] = [];
  #isWhole = true;

  /** `storeId` undefined means the sequence over all stores. */
  constructor(storeId: bigint | undefined, first: bigint) {
    this.#storeId = storeId;
    this.#first = first;
    this.#next = first;
  }

  /** The next run: `count` numbers from `number` on. */
  add(number: bigint, count: bigint): void {
    if (number !== this.#next) this.#report(number, count);
    if (count < 1n) this.#find('mismatch', number, number, `a row at ${this.#named(number)} has the count ${count}`);
    this.#count += count;
    const end = number + count;
    if (end > this.#next) this.#next = end;
  }

  /** No more runs come, and the counter says that `last` was given. */
  finish(last: bigint): void {
    if (this.#next <= last) this.#gaps.push({ storeId: this.#storeId, first: this.#next, last });
  }

  /** The last findings, whether the losses fit into the sequence, and what it is as a whole. */
  *end(last: bigint, losses: Losses): Generator<VerifyEvent> {
    yield* this.takeFindings(losses);
    if (this.#isWhole) yield* checkLosses({ storeId: this.#storeId, first: this.#first, last }, this.#count, losses);
    yield { kind: 'sequence', storeId: this.#storeId, first: this.#first, last, count: this.#count };
  }

  /** What was found since the last time, without what was declared as lost. */
  *takeFindings(losses: Losses): Generator<Finding> {
    for (const gap of this.#gaps) {
      for (const { first, last } of losses.undeclared(gap)) {
        this.#isWhole = false;
        yield this.#finding('hole', first, last, `no row covers ${this.#named(first, last)}`);
      }
    }
    this.#gaps = [];
    yield* this.#findings;
    this.#findings = [];
  }

  #report(number: bigint, count: bigint): void {
    if (number > this.#next) {
      this.#gaps.push({ storeId: this.#storeId, first: this.#next, last: number - 1n });
      return;
    }
    if (number < this.#first) {
      const message = `${this.#named(number)} lies below the first of its sequence, ${this.#first}`;
      this.#find('mismatch', number, number, message);
      return;
    }
    const last = number + count < this.#next ? number + count - 1n : this.#next - 1n;
    this.#find('overlap', number, last, `more than one row covers ${this.#named(number, last)}`);
  }

  #find(findingKind: FindingKind, first: bigint, last: bigint, message: string): void {
    this.#isWhole = false;
    this.#findings.push(this.#finding(findingKind, first, last, message));
  }

  #finding(findingKind: FindingKind, first: bigint, last: bigint, message: string): Finding {
    return { kind: 'finding', findingKind, storeId: this.#storeId, first, last, message };
  }

  #named(first: bigint, last = first): string {
    const numbers = first === last ? `${first}` : `${first} to ${last}`;
    return this.#storeId === undefined ? `order_id ${numbers}` : `order_number ${numbers} of store ${this.#storeId}`;
  }
}
