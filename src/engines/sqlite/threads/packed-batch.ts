import type { AllocationRequest } from '../../../core/allocation.ts';
import type { Outcome } from '../../../core/ledger.ts';
import { sequenceExhausted, storeNotFound } from '../../../core/refusals.ts';
import type { BatchOutcome } from '../statements/batch-transaction.ts';

/**
 * A batch as it crosses between threads. Cloning objects would cost the event loop more than everything else that it
 * does for the calls of a batch; buffers and a string cost next to nothing.
 */
export interface PackedRequests {
  readonly storeIds: BigInt64Array;
  readonly counts: Uint16Array;
  /** Joined by {@link SEPARATOR}, which no request id contains. */
  readonly requestIds: string;
  /** The same for the callers; empty if none has a name. */
  readonly callers: string;
}

/** The outcomes of a batch, in the order of its requests. */
export interface PackedOutcomes {
  /** orderId and orderNumber of each outcome in turn; meaningless in a refusal. */
  readonly numbers: BigInt64Array;
  /** The {@link DETAILS} of each outcome in turn. */
  readonly details: Float64Array;
  /** Prefix and suffix of each outcome in turn, joined by {@link SEPARATOR}, which neither contains. */
  readonly styles: string;
  /**
   * The caller of each replayed allocation in turn, joined by {@link SEPARATOR}. A new one has the caller of its request,
   * so a batch without replays costs nothing.
   */
  readonly originalCallers: string;
}

const SEPARATOR = '\n';
/** orderId, orderNumber. */
const NUMBERS = 2;
/** One of {@link KIND}, count, createTimeMs, minDigits. A refusal has only the first. */
const DETAILS = 4;
const KIND = { allocated: 0, replayed: 1, exhausted: 2, 'store not found': 3 } as const;

export function packRequests(batch: readonly AllocationRequest[]): PackedRequests {
  const storeIds = new BigInt64Array(batch.length);
  const counts = new Uint16Array(batch.length);
  const requestIds: string[] = [];
  for (const [i, request] of batch.entries()) {
    storeIds[i] = request.storeId;
    counts[i] = request.count;
    requestIds.push(request.requestId);
  }
  const callers = batch.some(({ caller }) => caller !== '') ? batch.map(({ caller }) => caller).join(SEPARATOR) : '';
  return { storeIds, counts, requestIds: requestIds.join(SEPARATOR), callers };
}

export function unpackRequests({ storeIds, counts, requestIds, ...packed }: PackedRequests): AllocationRequest[] {
  const callers = packed.callers.split(SEPARATOR);
  return requestIds.split(SEPARATOR).map((requestId, i) => ({
    storeId: storeIds[i]!,
    count: counts[i]!,
    requestId,
    caller: callers[i] ?? '',
  }));
}

export function packOutcomes(outcomes: readonly BatchOutcome[]): PackedOutcomes {
  const numbers = new BigInt64Array(outcomes.length * NUMBERS);
  const details = new Float64Array(outcomes.length * DETAILS);
  const styles: string[] = [];
  const originalCallers: string[] = [];
  for (const [i, outcome] of outcomes.entries()) {
    const at = i * DETAILS;
    if (typeof outcome === 'string') {
      details[at] = KIND[outcome];
      styles.push('', '');
      continue;
    }
    const { allocation, replayed } = outcome;
    numbers[i * NUMBERS] = allocation.orderId;
    numbers[i * NUMBERS + 1] = allocation.orderNumber;
    details[at] = replayed ? KIND.replayed : KIND.allocated;
    details[at + 1] = allocation.count;
    details[at + 2] = allocation.createTimeMs;
    details[at + 3] = allocation.minDigits;
    styles.push(inOneLine(allocation.prefix), inOneLine(allocation.suffix));
    if (replayed) originalCallers.push(inOneLine(allocation.caller));
  }
  return { numbers, details, styles: styles.join(SEPARATOR), originalCallers: originalCallers.join(SEPARATOR) };
}

/** A damaged row may hold anything, and must not shift the texts of the others. */
function inOneLine(text: string): string {
  return text.replaceAll(SEPARATOR, ' ');
}

/** Translates the outcomes into the core's terms, with the keys of the requests in `batch`. */
export function unpackOutcomes(packed: PackedOutcomes, batch: readonly AllocationRequest[]): Outcome[] {
  const { numbers, details } = packed;
  const styles = packed.styles.split(SEPARATOR);
  const originalCallers = packed.originalCallers.split(SEPARATOR).values();
  return batch.map(({ storeId, requestId, caller }, i): Outcome => {
    const at = i * DETAILS;
    const kind = details[at];
    if (kind === KIND.exhausted) return { refused: sequenceExhausted(storeId) };
    if (kind === KIND['store not found']) return { refused: storeNotFound(storeId) };
    const replayed = kind === KIND.replayed;
    const allocation = {
      orderId: numbers[i * NUMBERS]!,
      storeId,
      orderNumber: numbers[i * NUMBERS + 1]!,
      count: details[at + 1]!,
      requestId,
      createTimeMs: details[at + 2]!,
      prefix: styles[i * 2]!,
      suffix: styles[i * 2 + 1]!,
      minDigits: details[at + 3]!,
      caller: replayed ? originalCallers.next().value! : caller,
    };
    return { allocation, replayed };
  });
}
