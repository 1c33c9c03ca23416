import type { Allocated, Allocation } from '../../../src/client/index.ts';
import { OrderNumbersError } from '../../../src/client/index.ts';
import type { DenseRow } from '../../support/ledgers/dense-rows.ts';

/** What a caller asks for, with a request_id of its own. */
export interface Asked {
  readonly storeId: bigint;
  readonly requestId: string;
  readonly count: number;
}

/** A call that was answered. Both times are from performance.now(). */
export interface Answered extends Asked {
  readonly startMs: number;
  readonly endMs: number;
  readonly answer: Allocated;
}

/** A call that failed. */
export interface Failed extends Asked {
  readonly startMs: number;
  readonly error: unknown;
}

/** Every answer that callers, readers and watchers got, to be compared with the ledger. */
export class History {
  /** The first answer to each request. */
  readonly answered: Answered[] = [];
  readonly failed: Failed[] = [];
  /** The allocations that a reader or a watcher saw, by order_id. */
  readonly seen = new Map<bigint, string>();
  /** Answers that contradict each other, in words. */
  readonly contradictions: string[] = [];
  calls = 0;

  /** A reader or a watcher saw an allocation, which must look the same to all, at any time. */
  shown(by: string, allocation: Allocation): void {
    const text = textOf(allocation);
    const before = this.seen.get(allocation.orderId);
    if (before !== undefined && before !== text) this.contradict(`${by} saw ${text}, and before that ${before}`);
    this.seen.set(allocation.orderId, text);
  }

  /** A request that had been answered was answered again. */
  replayed({ answer: original }: Answered, answer: Allocated): void {
    if (!answer.replayed) this.contradict(`a replay of ${textOf(original)} is said to be new`);
    if (textOf(answer) !== textOf(original)) {
      this.contradict(`a replay of ${textOf(original)} was answered with ${textOf(answer)}`);
    }
  }

  /** A read failed, as it may while there is no primary; it must not fail with an answer about the ledger. */
  readFailed(by: string, error: unknown): void {
    if (!isIndefinite(error)) this.contradict(`${by} was told ${String(error)}`);
  }

  contradict(sentence: string): void {
    this.contradictions.push(sentence);
  }
}

/** Every field of an allocation that a caller can compare. */
export function textOf({ orderId, storeId, orderNumber, count, requestId, createTime }: Allocation): string {
  return [orderId, storeId, orderNumber, count, requestId, createTime.getTime()].join(' ');
}

/** The same fields of its row. */
export function textOfRow(row: DenseRow): string {
  const { order_id, store_id, order_number, count, request_id, create_time_ms } = row;
  return [order_id, store_id, order_number, count, request_id, create_time_ms].join(' ');
}

/** Whether an error leaves the outcome open: no answer or "unknown", but no refusal. */
export function isIndefinite(error: unknown): boolean {
  return error instanceof OrderNumbersError && ['UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(error.code);
}
