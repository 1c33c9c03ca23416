import type { AllocationRequest } from './allocation.ts';
import { OrderError } from './errors.ts';

// What the allocator tells its callers, in one place.

export function cancelled(): OrderError {
  return new OrderError('CANCELLED', 'the call was cancelled or its deadline passed before a number was given');
}

export function queueFull(): OrderError {
  return new OrderError('QUEUE_FULL', 'too many requests are waiting: ask again later');
}

export function mismatch({ storeId, requestId, count }: AllocationRequest, original: number): OrderError {
  return new OrderError(
    'REQUEST_ID_MISMATCH',
    `request_id belongs to a request for a count of ${original} and cannot be used for a count of ${count}: use another one`,
    { fields: { ...keyFields(storeId, requestId), count: String(count), original_count: String(original) } },
  );
}

export function outcomeUnknown({ storeId, requestId }: AllocationRequest, cause?: unknown): OrderError {
  return new OrderError('OUTCOME_UNKNOWN', 'the numbers were perhaps allocated: ask again with the same request_id', {
    fields: keyFields(storeId, requestId),
    cause,
  });
}

function keyFields(storeId: bigint, requestId: string): Record<string, string> {
  return { store_id: String(storeId), request_id: requestId };
}
