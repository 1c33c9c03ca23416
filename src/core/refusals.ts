import type { AllocationRequest } from './allocation.ts';
import type { Reason } from './reasons.ts';
import { OrderError } from './errors.ts';

// What callers are told, whichever engine or transport tells it. A rule for a value has its words beside the rule.

export function cancelled(): OrderError {
  return new OrderError('CANCELLED', 'the call was cancelled or its deadline passed before a number was given');
}

export function queueFull(): OrderError {
  return new OrderError('QUEUE_FULL', 'too many requests are waiting: ask again later');
}

export function draining(): OrderError {
  return new OrderError('DRAINING', 'the server is shutting down: ask again, another or the next one will answer');
}

export function stoppedBeforeOpen(): OrderError {
  return new OrderError('DRAINING', 'the server stopped before the ledger was open');
}

/** The files of the ledger were taken away under the server, which ends. */
export function ledgerLost(): OrderError {
  return new OrderError('DRAINING', 'the server has lost its ledger and stops: retry, another server may answer');
}

/** Nothing can be read or written right now. */
export function ledgerReopening(cause?: unknown): OrderError {
  return new OrderError('LEDGER_REOPENING', 'the ledger is being opened: ask again', { cause });
}

/** The system lacks what a read needs, such as file descriptors: later it may have it. */
export function ledgerOutOfReach(cause: unknown): OrderError {
  return new OrderError('LEDGER_REOPENING', 'the ledger cannot be read right now: retry', { cause });
}

/** Damage, found by a read. */
export function ledgerUnreadable(cause: unknown): OrderError {
  return new OrderError('LEDGER_DAMAGED', 'the ledger cannot be read: its operator has to act', { cause });
}

/** The ledger cannot be opened; `cause` says what to do, for the log. */
export function ledgerUnusable(cause: unknown): OrderError {
  return new OrderError('LEDGER_DAMAGED', 'the ledger cannot be used until its operator has acted', { cause });
}

/** It is proven that nothing was done. */
export function ledgerFull(cause: unknown): OrderError {
  return new OrderError('LEDGER_FULL', 'the disk of the ledger is full: nothing was allocated', { cause });
}

export function requestIdRequired(): OrderError {
  return new OrderError('REQUEST_ID_REQUIRED', 'request_id is missing: this server requires one in every request');
}

export function mismatch(request: AllocationRequest, original: number): OrderError {
  const { count } = request;
  return new OrderError(
    'REQUEST_ID_MISMATCH',
    `request_id belongs to a request for a count of ${original} and cannot be used for a count of ${count}: use another one`,
    { fields: { ...keyFields(request), count: String(count), original_count: String(original) } },
  );
}

export function sequenceExhausted(storeId: bigint): OrderError {
  return ofStore(storeId, 'SEQUENCE_EXHAUSTED', 'a sequence has reached 2^63-1: no number is left');
}

export function storeNotFound(storeId: bigint): OrderError {
  return ofStore(storeId, 'STORE_NOT_FOUND', `store ${storeId} is not there: make it with CreateStore`);
}

export function storeExists(storeId: bigint): OrderError {
  return ofStore(storeId, 'STORE_EXISTS', `store ${storeId} exists: change it with UpdateStore`);
}

export function firstNumberFixed(storeId: bigint): OrderError {
  return ofStore(
    storeId,
    'FIRST_NUMBER_FIXED',
    `store ${storeId} has numbered: its first_number cannot change any more`,
  );
}

/** An allocation that failed after it was handed to the ledger. */
export function outcomeUnknown(request: AllocationRequest, cause?: unknown): OrderError {
  return unknown('the numbers were perhaps allocated: ask again with the same request_id', cause, keyFields(request));
}

/**
 * A refusal of a request that was sent before. The first copy may still be on its way: if it allocates, the numbers are
 * there in spite of what refused this one.
 */
export function perhapsSentBefore(request: AllocationRequest, refused: OrderError): OrderError {
  const message = `${refused.message}; but the numbers may still be allocated: ask again with the same request_id`;
  return unknown(message, refused, keyFields(request));
}

/** A write of a store that failed after it was handed to the ledger. */
export function storeUnknown(storeId: bigint, cause: unknown): OrderError {
  return unknown('the store was perhaps written: look it up, or ask again', cause, { store_id: String(storeId) });
}

/**
 * The same error if it is an OrderError. Anything else was not foreseen: a fault of this program, of which the caller is
 * told nothing. If the method `writes`, its outcome is unknown.
 */
export function toOrderError(error: unknown, writes: boolean): OrderError {
  if (error instanceof OrderError) return error;
  return writes
    ? unknown('it was perhaps done: ask again with the same request_id', error)
    : new OrderError('INTERNAL', 'the server met an error that it did not foresee', { cause: error });
}

function unknown(message: string, cause: unknown, fields: Readonly<Record<string, string>> = {}): OrderError {
  return new OrderError('OUTCOME_UNKNOWN', message, { fields, cause });
}

function ofStore(storeId: bigint, reason: Reason, message: string): OrderError {
  return new OrderError(reason, message, { fields: { store_id: String(storeId) } });
}

function keyFields({ storeId, requestId }: AllocationRequest): Record<string, string> {
  return { store_id: String(storeId), request_id: requestId };
}
