import type { Allocated, Allocation } from '../../src/client/index.ts';
import { OrderNumbersError } from '../../src/client/index.ts';
import type { DenseRow } from '../support/ledgers/dense-rows.ts';

/** What a caller asks for; with a request_id that nobody else uses. */
export interface Asked {
  readonly storeId: bigint;
  readonly requestId: string;
  readonly count: number;
}

/** A call that was answered. Its times are of one clock: performance.now(). */
export interface Answered extends Asked {
  readonly startMs: number;
  readonly endMs: number;
  readonly answer: Allocated;
}

/** A call that was not. */
export interface Failed extends Asked {
  readonly startMs: number;
  readonly error: unknown;
}

/** Everything that callers, readers and watchers were told, to be held against the ledger. */
export class Told {
  /** The first answer to each request. */
  readonly answered: Answered[] = [];
  readonly failed: Failed[] = [];
  /** Allocations that a reader or a watcher was shown. */
  readonly seen = new Map<bigint, string>();
  /** What must never be said, in words. */
  readonly contradictions: string[] = [];
  calls = 0;

  /** Somebody was shown an allocation: it is the same for everybody, at every time. */
  show(by: string, allocation: Allocation): void {
    const text = textOf(allocation);
    const before = this.seen.get(allocation.orderId);
    if (before !== undefined && before !== text)
      this.contradict(`${by} was shown ${text}, and before it was ${before}`);
    this.seen.set(allocation.orderId, text);
  }

  /** A request that was answered before was answered again. */
  replay({ answer: original }: Answered, answer: Allocated): void {
    if (!answer.replayed) this.contradict(`a replay of ${textOf(original)} is said to be new`);
    if (textOf(answer) !== textOf(original)) {
      this.contradict(`a replay of ${textOf(original)} was answered with ${textOf(answer)}`);
    }
  }

  /** A read failed: it may, while there is no primary, but not as if the ledger had said something. */
  readFailed(by: string, error: unknown): void {
    if (!isIndefinite(error)) this.contradict(`${by} was told ${String(error)}`);
  }

  contradict(sentence: string): void {
    this.contradictions.push(sentence);
  }
}

/** All that a caller can compare of an allocation. */
export function textOf({ orderId, storeId, orderNumber, count, requestId, createTime }: Allocation): string {
  return [orderId, storeId, orderNumber, count, requestId, createTime.getTime()].join(' ');
}

/** The same of its row. */
export function textOfRow(row: DenseRow): string {
  const { order_id, store_id, order_number, count, request_id, create_time_ms } = row;
  return [order_id, store_id, order_number, count, request_id, create_time_ms].join(' ');
}

/** Whether an error leaves open what was done: no answer, or "unknown", and never a refusal. */
export function isIndefinite(error: unknown): boolean {
  return error instanceof OrderNumbersError && ['UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(error.code);
}
