import { dirname } from 'node:path';
import { realpathSync, existsSync } from 'node:fs';
import Database, { SqliteError } from 'better-sqlite3';
import { LedgerRefused } from '../../errors.ts';
import type { LongRun } from './backup.ts';
import { copyLedger, findLedger, removeDatabase, syncFile } from './backup.ts';
import type { LedgerSummary } from './backup-check.ts';
import { requireFilledLedger, summarize } from './backup-check.ts';
import { openReadConnection } from './connection.ts';
import { takeFence } from './fence.ts';
import type { LedgerFiles } from './ledger-files.ts';
import { locateLedger, syncFolder } from './ledger-files.ts';
import type { Evidence } from './restore-evidence.ts';
import { gatherEvidence } from './restore-evidence.ts';
import type { Loss } from './restore-loss.ts';
import { declareLoss } from './restore-loss.ts';
import { replacedNameOf, swapSteps } from './restore-swap.ts';
import { migrate } from './schema.ts';

/** What a restore with a loss is about to do, for the one who has to agree. */
export interface LossPlan {
  readonly backup: LedgerSummary;
  readonly evidence: Evidence;
}

export interface RestoreOptions extends LongRun {
  /** Path of the backup. */
  readonly from: string;
  /** Path of the ledger. */
  readonly ledger: string;
  /**
   * Asked where the ledger is ahead of the backup, so that numbers are lost; undefined means that this
   * is refused. Where it resolves to false, nothing is done.
   */
  readonly acceptLoss?: ((plan: LossPlan) => Promise<boolean>) | undefined;
}

/** A ledger that is in its place, with its mark. */
export interface Restored {
  readonly summary: LedgerSummary;
  readonly database: string;
  /** Where the old ledger is now, if there was one. */
  readonly replaced: string | undefined;
  readonly loss: Loss | undefined;
}

/**
 * Puts a backup in the place of a ledger, under the lock of the one writer (P8). Never goes back (P9): a
 * ledger or mark that is ahead is refused, or by agreement its numbers are declared lost and never given again.
 * Undefined where that was not agreed to. Throws LedgerRefused; until the last moment nothing is touched, and a
 * process that dies leaves either ledger or none, never a wrong one: see {@link swapSteps}.
 */
export async function restoreLedger(options: RestoreOptions): Promise<Restored | undefined> {
  const from = findLedger(options.from);
  const backup = readBackup(from);
  const files = locateLedger(options.ledger);
  if (existsSync(files.database) && realpathSync(files.database) === from) {
    throw new LedgerRefused(`${options.from} is the ledger itself: name a backup with --from`);
  }
  const fence = takeFence(files);
  // Nobody else uses this name: the lock is held. One that was left by a process that died is in the way.
  const replacement = `${files.database}.restore-tmp`;
  try {
    const evidence = gatherEvidence(files, backup.ledgerId);
    if (evidence.end > backup.lastOrderId) {
      if (!options.acceptLoss) throw ahead(files, backup, evidence);
      if (!(await options.acceptLoss({ backup, evidence }))) return undefined;
    }
    removeDatabase(replacement);
    const copied = await copyLedger(from, replacement, options);
    if (copied.ledgerId !== backup.ledgerId || copied.lastOrderId !== backup.lastOrderId) {
      throw new LedgerRefused(`${from} changed while it was read: name a backup, not a ledger in use`);
    }
    const { summary, loss } = prepare(replacement, evidence);
    const replaced = existsSync(files.database) ? replacedNameOf(files.database, new Date()) : undefined;
    const mark = { ledgerId: summary.ledgerId, lastOrderId: summary.lastOrderId };
    const name = replaced ?? replacedNameOf(files.database, new Date());
    for (const step of swapSteps(files, replacement, mark, name)) step();
    return { summary, database: files.database, replaced, loss };
  } finally {
    removeDatabase(replacement);
    fence.release();
  }
}

function readBackup(from: string): LedgerSummary {
  try {
    const db = openReadConnection(from);
    try {
      requireFilledLedger(db);
      const sealedTo = db.prepare<[], string | null>('SELECT sealed_to FROM ledger').pluck().get();
      if (typeof sealedTo === 'string') {
        throw new LedgerRefused(`${from} was moved to ${sealedTo} and must not number again: it is not restored`);
      }
      return summarize(db);
    } finally {
      db.close();
    }
  } catch (error) {
    if (!(error instanceof SqliteError)) throw error;
    throw new LedgerRefused(`${from} cannot be read as a ledger (${error.message}): use another copy`);
  }
}

/** Makes the copy ready to serve, before it is put in place: the schema of this program, and what is lost. */
function prepare(path: string, evidence: Evidence): { summary: LedgerSummary; loss: Loss | undefined } {
  const db = new Database(path);
  let prepared;
  try {
    db.defaultSafeIntegers(true);
    db.pragma('synchronous = FULL');
    migrate(db);
    const isAhead = evidence.end > summarize(db).lastOrderId;
    const loss = isAhead ? declareLoss(db, evidence.end, evidence.lastCreateTimeMs) : undefined;
    prepared = { summary: summarize(db), loss };
  } finally {
    db.close();
  }
  syncFile(path);
  syncFolder(dirname(path));
  return prepared;
}

function ahead(files: LedgerFiles, backup: LedgerSummary, evidence: Evidence): LedgerRefused {
  return new LedgerRefused(
    `the backup ends at order_id ${backup.lastOrderId}, but ${evidence.end} was already given by ${files.database}, says ` +
      `${evidence.witness}: use a newer backup, or give up the numbers in between with --accept-loss`,
  );
}
