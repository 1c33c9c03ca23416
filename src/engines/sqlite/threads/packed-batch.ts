import type { AllocationRequest } from '../../../core/allocation.ts';
import type { BatchOutcome } from '../statements/batch-transaction.ts';

/**
 * A batch as it crosses between threads. Cloned as objects, batches of this size cost the event loop more
 * than everything else that is done for their calls; a buffer and a string cost next to nothing.
 */
export interface PackedRequests {
  /** storeId and count of each request in turn. */
  readonly numbers: BigInt64Array;
  /** Joined by {@link SEPARATOR}, which no request id contains. */
  readonly requestIds: string;
}

/** The outcomes of a batch, in the order of its requests. */
export interface PackedOutcomes {
  /** The {@link OUTCOME_NUMBERS} of each outcome in turn; an orderId below 1 is one of {@link REFUSALS}. */
  readonly numbers: BigInt64Array;
  /** Prefix and suffix of each outcome in turn, joined by {@link SEPARATOR}, which neither contains. */
  readonly styles: string;
}

const SEPARATOR = '\n';
const REQUEST_NUMBERS = 2;
/** orderId, orderNumber, count, createTimeMs, minDigits, replayed. */
const OUTCOME_NUMBERS = 6;

/** By the orderId that stands for them. */
const REFUSALS = { '0': 'exhausted', '-1': 'store not found' } as const;

export function packRequests(batch: readonly AllocationRequest[]): PackedRequests {
  const numbers = new BigInt64Array(batch.length * REQUEST_NUMBERS);
  for (const [i, request] of batch.entries()) {
    numbers[i * REQUEST_NUMBERS] = request.storeId;
    numbers[i * REQUEST_NUMBERS + 1] = BigInt(request.count);
  }
  return { numbers, requestIds: batch.map((request) => request.requestId).join(SEPARATOR) };
}

export function unpackRequests({ numbers, requestIds }: PackedRequests): AllocationRequest[] {
  return requestIds.split(SEPARATOR).map((requestId, i) => ({
    storeId: numbers[i * REQUEST_NUMBERS]!,
    count: Number(numbers[i * REQUEST_NUMBERS + 1]),
    requestId,
  }));
}

export function packOutcomes(outcomes: readonly BatchOutcome[]): PackedOutcomes {
  const numbers = new BigInt64Array(outcomes.length * OUTCOME_NUMBERS);
  const styles: string[] = [];
  for (const [i, outcome] of outcomes.entries()) {
    if (typeof outcome === 'string') {
      numbers[i * OUTCOME_NUMBERS] = outcome === 'exhausted' ? 0n : -1n;
      styles.push('', '');
      continue;
    }
    const { allocation, replayed } = outcome;
    const at = i * OUTCOME_NUMBERS;
    numbers[at] = allocation.orderId;
    numbers[at + 1] = allocation.orderNumber;
    numbers[at + 2] = BigInt(allocation.count);
    numbers[at + 3] = BigInt(allocation.createTimeMs);
    numbers[at + 4] = BigInt(allocation.minDigits);
    numbers[at + 5] = replayed ? 1n : 0n;
    styles.push(allocation.prefix, allocation.suffix);
  }
  return { numbers, styles: styles.join(SEPARATOR) };
}

/** `batch` is what was asked: the outcomes' keys are those of its requests. */
export function unpackOutcomes(packed: PackedOutcomes, batch: readonly AllocationRequest[]): BatchOutcome[] {
  const { numbers } = packed;
  const styles = packed.styles.split(SEPARATOR);
  return batch.map(({ storeId, requestId }, i) => {
    const at = i * OUTCOME_NUMBERS;
    const orderId = numbers[at]!;
    if (orderId < 1n) return REFUSALS[orderId === 0n ? '0' : '-1'];
    const allocation = {
      orderId,
      storeId,
      orderNumber: numbers[at + 1]!,
      count: Number(numbers[at + 2]),
      requestId,
      createTimeMs: Number(numbers[at + 3]),
      prefix: styles[i * 2]!,
      suffix: styles[i * 2 + 1]!,
      minDigits: Number(numbers[at + 4]),
    };
    return { allocation, replayed: numbers[at + 5] === 1n };
  });
}
