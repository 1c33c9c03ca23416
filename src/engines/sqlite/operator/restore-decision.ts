import { LedgerRefused } from '../../../core/errors.ts';
import type { LedgerSummary } from './backup-check.ts';
import type { ImportedStore } from '../../../core/move/imported-store.ts';
import type { LedgerFiles } from '../file/ledger-files.ts';
import type { Evidence } from './restore-evidence.ts';
import type { Continuation, Loss } from './restore-loss.ts';

/** What a decision needs to know about a backup. */
export interface RestoredCopy extends LedgerSummary {
  /** The time of the file's last write, and of its last order, if it has one. */
  readonly writeTime: Date;
  readonly lastOrderTime: Date | undefined;
}

/** What a restore with a loss is about to do, for the operator to agree to. */
export interface LossPlan {
  readonly backup: RestoredCopy;
  readonly evidence: Evidence;
  readonly loss: Loss;
}

/** Resolves to false if the loss is not agreed to. */
export type Agreement = (plan: LossPlan) => Promise<boolean>;

/** What the operator declares about the numbers that the backup lacks; at most one of these. */
export interface OperatorsWord {
  /** They may be lost, as far as the old ledger and its mark know of them. Otherwise a loss is refused. */
  readonly acceptLoss?: Agreement | undefined;
  /** The last order_id that was given, known from elsewhere, and optionally the next numbers of some stores. */
  readonly continueAbove?:
    { readonly orderId: bigint; readonly stores: Iterable<ImportedStore>; readonly agree: Agreement } | undefined;
  /** There are none. */
  readonly nothingNumberedSince?: boolean | undefined;
}

/** The point at which a restored ledger continues, and the agreement needed if something is lost. */
export interface Decision {
  readonly continuation: Continuation;
  readonly agree: Agreement | undefined;
}

/**
 * Decides at which point a ledger restored from `backup` continues without giving a number twice (P9). Throws
 * LedgerRefused if the operator's word is needed and missing, or is not true.
 */
export function decide(
  files: LedgerFiles,
  backup: RestoredCopy,
  evidence: Evidence,
  { acceptLoss, continueAbove, nothingNumberedSince = false }: OperatorsWord,
): Decision {
  const { lastCreateTimeMs } = evidence;
  if (continueAbove) {
    const { orderId: above, stores, agree } = continueAbove;
    requireNotBelow(above, backup, evidence);
    return { continuation: { above, stores, lastCreateTimeMs }, agree };
  }
  const isAhead = evidence.end > backup.lastOrderId;
  // A ledger that is ahead is evidence; a mark beside the backup only says how far numbering had gone at least.
  const isKnown = evidence.doubt === undefined || (isAhead && evidence.hasLedger);
  if (!isKnown && !nothingNumberedSince) throw unknown(backup, evidence.doubt, acceptLoss !== undefined);
  if (isAhead) {
    if (!acceptLoss) throw ahead(files, backup, evidence, nothingNumberedSince);
    return { continuation: { above: evidence.end, stores: [], lastCreateTimeMs }, agree: acceptLoss };
  }
  return { continuation: { above: backup.lastOrderId, stores: [], lastCreateTimeMs }, agree: undefined };
}

function requireNotBelow(above: bigint, backup: LedgerSummary, evidence: Evidence): void {
  if (above < backup.lastOrderId) {
    throw new LedgerRefused(
      `--continue-above ${above} would give numbers twice: the backup itself ends at order_id ${backup.lastOrderId}; ` +
        'name the last order_id that was given, or a higher one',
    );
  }
  if (above < evidence.end) {
    throw new LedgerRefused(
      `--continue-above ${above} would give numbers twice: order_id ${evidence.end} was already given according to ` +
        `${evidence.witness}; name that one or a higher one`,
    );
  }
}

function ahead(files: LedgerFiles, backup: LedgerSummary, evidence: Evidence, isDenied: boolean): LedgerRefused {
  // A ledger that can be read is its own witness.
  const source = evidence.witness === files.database ? '' : ` according to ${evidence.witness}`;
  return new LedgerRefused(
    `${isDenied ? '--nothing-numbered-since is not true: ' : ''}the backup ends at order_id ${backup.lastOrderId}, but ` +
      `${evidence.end} was already given by ${files.database}${source}; use a newer backup, or ` +
      `give up the numbers in between with ${evidence.doubt === undefined ? '--accept-loss' : '--continue-above ORDER_ID'}`,
  );
}

function unknown(backup: RestoredCopy, doubt: string, wantsLoss: boolean): LedgerRefused {
  const { lastOrderId, writeTime, lastOrderTime } = backup;
  const last = lastOrderTime === undefined ? '' : `, its last order is from ${lastOrderTime.toISOString()}`;
  return new LedgerRefused(
    `${wantsLoss ? '--accept-loss cannot work here: ' : ''}${doubt}, so all numbers given after order_id ${lastOrderId} ` +
      `(the backup file dates from ${writeTime.toISOString()}${last}) would be given again; find the last order_id that ` +
      'any caller received and add --continue-above ORDER_ID, or add --nothing-numbered-since if the backup has every number',
  );
}
