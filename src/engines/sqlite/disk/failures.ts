import { setTimeout as delay } from 'node:timers/promises';
import { ledgerFull } from '../../../core/refusals.ts';
import type { ClosedReason } from '../../../core/ledger-state.ts';
import { ThreadFailure } from '../threads/thread.ts';

/** How long a batch that met a full disk waits for proof that nothing of it is durable. */
const PROOF_WAIT_MS = 1000;

/**
 * What to tell the callers of a failed write. After a full disk it waits briefly for the reopened ledger: if its end
 * has not moved, nothing of the batch is durable.
 */
export async function explainFailure(
  failure: unknown,
  reopened: Promise<void>,
  hasMoved: () => boolean,
): Promise<unknown> {
  if (!(failure instanceof ThreadFailure) || failure.code !== 'SQLITE_FULL') return failure;
  const isReopened = reopened.then(
    () => true,
    () => false,
  );
  const isProven = (await Promise.race([isReopened, delay(PROOF_WAIT_MS, false)])) && !hasMoved();
  return isProven ? ledgerFull(failure) : failure;
}

/** Why the ledger is closed after this failure, in words that callers may read. */
export function closedReason(failure: unknown): ClosedReason {
  const code = failure instanceof ThreadFailure ? failure.code : '';
  if (/^(SQLITE_FULL|ENOSPC|EDQUOT)/.test(code)) return 'disk full';
  return /^(SQLITE_IOERR|EIO|EROFS)/.test(code) ? 'disk error' : 'opening';
}

/** Whether the files of the ledger are no longer those that were opened. */
export function isLoss(error: unknown): error is ThreadFailure {
  return error instanceof ThreadFailure && error.errorName === 'HeldFilesChanged';
}

/** Whether trying again cannot help, because an operator has to act: not if it is a PassingRefusal, which has a code. */
export function isFinal(error: unknown): boolean {
  return !(error instanceof ThreadFailure) || (error.errorName === 'LedgerRefused' && error.code === '');
}
