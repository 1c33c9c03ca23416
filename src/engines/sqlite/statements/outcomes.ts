import type { AllocationRequest } from '../../../core/allocation.ts';
import { OrderError } from '../../../core/errors.ts';
import {
  firstNumberFixed,
  ledgerOutOfReach,
  ledgerUnreadable,
  sequenceExhausted,
  storeExists,
  storeNotFound,
  storeUnknown,
} from '../../../core/refusals.ts';
import type { Outcome } from '../../../core/ledger.ts';
import type { Store } from '../../../core/store.ts';
import type { BatchOutcome } from './batch-transaction.ts';
import type { StoreRefusal } from './store-transaction.ts';
import { ThreadFailure } from '../threads/thread.ts';

/** What came from the writer thread, in the words of the core. */
export function toOutcomes(outcomes: readonly BatchOutcome[], batch: readonly AllocationRequest[]): Outcome[] {
  return outcomes.map((outcome, i) => {
    if (typeof outcome === 'object') return outcome;
    const { storeId } = batch[i]!;
    return { refused: outcome === 'exhausted' ? sequenceExhausted(storeId) : storeNotFound(storeId) };
  });
}

/** What became of a store write, in the words of the core. */
export async function storeOutcome(storeId: bigint, write: Promise<Store | StoreRefusal>): Promise<Store> {
  const written = await write.catch((error: unknown) => {
    throw error instanceof OrderError ? error : storeUnknown(storeId, error);
  });
  if (typeof written === 'string') throw toStoreError(written, storeId);
  return written;
}

function toStoreError(refusal: StoreRefusal, storeId: bigint): OrderError {
  if (refusal === 'not found') return storeNotFound(storeId);
  return refusal === 'exists' ? storeExists(storeId) : firstNumberFixed(storeId);
}

/**
 * A read that failed: damage is the business of the ledger's operator, what the system lacks may come back, and
 * anything else is a fault of this program.
 */
export function toReadError(error: unknown): unknown {
  if (!(error instanceof ThreadFailure)) return error;
  if (/^SQLITE_(CORRUPT|NOTADB|IOERR)/.test(error.code)) return ledgerUnreadable(error);
  return /^(SQLITE_(CANTOPEN|NOMEM)|THREAD_DIED|E[MN]FILE|ENOMEM)/.test(error.code) ? ledgerOutOfReach(error) : error;
}

/** Whether the files of the ledger are no longer those that were opened. */
export function isLoss(error: unknown): error is ThreadFailure {
  return error instanceof ThreadFailure && error.errorName === 'HeldFilesChanged';
}

/** Whether trying again cannot help, because an operator is asked for. */
export function isFinal(error: unknown): boolean {
  return !(error instanceof ThreadFailure) || error.errorName === 'LedgerRefused';
}
