import { OrderError } from './errors.ts';

// What every engine says in the same words.

export function sequenceExhausted(storeId: bigint): OrderError {
  return new OrderError('SEQUENCE_EXHAUSTED', 'a sequence has reached 2^63-1: no number is left', {
    fields: { store_id: String(storeId) },
  });
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

/** It is proven that nothing was done. */
export function ledgerFull(cause: unknown): OrderError {
  return new OrderError('LEDGER_FULL', 'the disk of the ledger is full: nothing was allocated', { cause });
}

/** It cannot be opened; `cause` says what to do, for the log. */
export function ledgerUnusable(cause: unknown): OrderError {
  return new OrderError('LEDGER_DAMAGED', 'the ledger cannot be used until its operator has acted', { cause });
}

export function stoppedBeforeOpen(): OrderError {
  return new OrderError('DRAINING', 'the server stopped before the ledger was open');
}

/** Its files were taken away under the server, which ends. */
export function ledgerLost(): OrderError {
  return new OrderError('DRAINING', 'the server has lost its ledger and stops: retry, another server may answer');
}
