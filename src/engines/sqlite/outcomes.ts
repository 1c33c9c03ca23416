import type { Allocation, AllocationRequest } from '../../allocation.ts';
import { OrderError } from '../../errors.ts';
import type { Outcome } from '../../ledger.ts';
import { storeNotFound } from '../../store.ts';
import type { BatchOutcome } from './batch-transaction.ts';
import type { StoreRefusal } from './store-transaction.ts';
import { ThreadFailure } from './thread.ts';

/** What came from the writer thread, in the words of the core. */
export function toOutcomes(outcomes: readonly BatchOutcome[], batch: readonly AllocationRequest[]): Outcome[] {
  return outcomes.map((outcome, i) => {
    if (typeof outcome === 'object') return outcome;
    const { storeId } = batch[i]!;
    return { refused: outcome === 'exhausted' ? exhausted(storeId) : storeNotFound(storeId) };
  });
}

/** The allocations that a batch added to the ledger, in order_id order. */
export function newAllocations(outcomes: readonly BatchOutcome[]): Allocation[] {
  return outcomes.flatMap((outcome) => (typeof outcome === 'object' && !outcome.replayed ? [outcome.allocation] : []));
}

export function toStoreError(refusal: StoreRefusal, storeId: bigint): OrderError {
  if (refusal === 'not found') return storeNotFound(storeId);
  const fields = { store_id: String(storeId) };
  return refusal === 'exists'
    ? new OrderError('STORE_EXISTS', `store ${storeId} exists: change it with UpdateStore`, { fields })
    : new OrderError('FIRST_NUMBER_FIXED', `store ${storeId} has numbered: its first_number cannot change any more`, {
        fields,
      });
}

/** A write of a store failed: nobody knows whether it was done. */
export function storeUnknown(storeId: bigint, cause: unknown): OrderError {
  return new OrderError('OUTCOME_UNKNOWN', 'the store was perhaps written: look it up, or ask again', {
    fields: { store_id: String(storeId) },
    cause,
  });
}

/** A read that failed: damage is the ledger's operator's business, anything else is a fault of this program. */
export function toReadError(error: unknown): unknown {
  if (!(error instanceof ThreadFailure && /^SQLITE_(CORRUPT|NOTADB|IOERR)/.test(error.code))) return error;
  return new OrderError('LEDGER_DAMAGED', 'the ledger cannot be read: its operator has to act', { cause: error });
}

export function reopening(): OrderError {
  return new OrderError('LEDGER_REOPENING', 'the ledger is being opened: ask again');
}

function exhausted(storeId: bigint): OrderError {
  return new OrderError('SEQUENCE_EXHAUSTED', 'a sequence has reached 2^63-1: no number is left', {
    fields: { store_id: String(storeId) },
  });
}
