import { dirname } from 'node:path';
import { existsSync, realpathSync, statSync } from 'node:fs';
import Database, { SqliteError } from 'better-sqlite3';
import { LedgerRefused } from '../../../core/errors.ts';
import type { LongRun } from './backup.ts';
import { copyLedger } from './backup.ts';
import type { LedgerSummary } from './backup-check.ts';
import { summarize } from './backup-check.ts';
import { takeFence } from '../file/fence.ts';
import { syncFile, syncFolder } from '../file/fsync.ts';
import { findLedger, locateLedger, removeDatabase } from '../file/ledger-files.ts';
import { movedAway, readLedgerRow } from '../file/ledger-row.ts';
import { inspect } from '../file/inspection.ts';
import { ownerOf, ownerWarning } from '../file/owner.ts';
import type { OperatorsWord, RestoredCopy } from './restore-decision.ts';
import { decide } from './restore-decision.ts';
import { gatherEvidence, markWarning, withMarkOf } from './restore-evidence.ts';
import { makeReadable } from './readable-database.ts';
import type { Continuation, Loss } from './restore-loss.ts';
import { declareLoss, planLoss } from './restore-loss.ts';
import { replacedNameOf, swapSteps } from './restore-swap.ts';
import { migrate, requireFilledLedger } from '../file/schema.ts';

export interface RestoreOptions extends LongRun, OperatorsWord {
  /** Path of the backup. */
  readonly from: string;
  /** Path of the ledger. */
  readonly ledger: string;
}

/** A restored ledger, in its place and with its mark. */
export interface Restored {
  readonly summary: LedgerSummary;
  readonly database: string;
  /** The new path of the old ledger, if there was one. */
  readonly replaced: string | undefined;
  readonly loss: Loss | undefined;
  /** For the operator, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Replaces a ledger with a backup, under the lock of the one writer (P8). It never gives a number twice (P9): if numbers
 * that the backup lacks were given, or may have been, it refuses, or by agreement declares them lost. Undefined if that
 * was not agreed to. Throws LedgerRefused. Until the last moment nothing is touched, and a process that dies leaves
 * either ledger or none, never a wrong one: see {@link swapSteps}.
 */
export async function restoreLedger(options: RestoreOptions): Promise<Restored | undefined> {
  const from = findLedger(options.from);
  const source = makeReadable(from);
  try {
    return await restoreFrom(from, source.path, options);
  } finally {
    source.remove();
  }
}

/** `source` is `from` or a readable copy of it. */
async function restoreFrom(from: string, source: string, options: RestoreOptions): Promise<Restored | undefined> {
  const backup = readBackup(from, source, (db) => summarizeCopy(db, from));
  const files = locateLedger(options.ledger);
  if (existsSync(files.database) && realpathSync(files.database) === from) {
    throw new LedgerRefused(`${options.from} is the ledger itself; name a backup with --from`);
  }
  const look = () => {
    const evidence = withMarkOf(from, gatherEvidence(files, backup.ledgerId), backup.ledgerId);
    const decision = decide(files, backup, evidence, options);
    return { evidence, ...decision, loss: readBackup(from, source, (db) => planLoss(db, decision.continuation)) };
  };
  // Also before the lock, so that a refusal leaves no lock file behind.
  look();
  const fence = takeFence(files);
  // The lock keeps this name free of other users, but a process that died may have left a file.
  const replacement = `${files.database}.restore-tmp`;
  try {
    const { evidence, continuation, agree, loss: planned } = look();
    if (agree && isLoss(planned) && !(await agree({ backup, evidence, loss: planned }))) return undefined;
    removeDatabase(replacement);
    const copied = await copyLedger(source, replacement, options);
    if (copied.ledgerId !== backup.ledgerId || copied.lastOrderId !== backup.lastOrderId) {
      throw new LedgerRefused(`${from} changed while it was read; name a backup, not a ledger in use`);
    }
    const { summary, loss } = prepare(replacement, continuation);
    const replaced = existsSync(files.database) ? replacedNameOf(files.database, new Date()) : undefined;
    const mark = { ledgerId: summary.ledgerId, lastOrderId: summary.lastOrderId };
    const oldOwner = ownerOf(files.database);
    const name = replaced ?? replacedNameOf(files.database, new Date());
    for (const step of swapSteps(files, replacement, mark, name)) step();
    const isTold = options.continueAbove !== undefined || options.nothingNumberedSince === true;
    const warnings = [isTold || agree ? undefined : markWarning(evidence), ownerWarning(files, oldOwner)].filter(
      (warning) => warning !== undefined,
    );
    return { summary, database: files.database, replaced, loss: isLoss(loss) ? loss : undefined, warnings };
  } finally {
    removeDatabase(replacement);
    fence.release();
  }
}

function isLoss({ length, storesContinued, storesCreated }: Loss): boolean {
  return length > 0n || storesContinued > 0n || storesCreated > 0n;
}

/** Runs `read` on the backup, which must be a ledger that was not moved. */
function readBackup<Result>(from: string, source: string, read: (db: Database.Database) => Result): Result {
  try {
    return inspect(source, (db) => {
      requireFilledLedger(db);
      const movedTo = readLedgerRow(db)?.movedTo;
      if (movedTo) throw movedAway(from, movedTo, 'it is not restored');
      return read(db);
    });
  } catch (error) {
    if (!(error instanceof SqliteError)) throw error;
    throw new LedgerRefused(`${from} cannot be read as a ledger (${error.message}); use another copy`);
  }
}

function summarizeCopy(db: Database.Database, from: string): RestoredCopy {
  const time = readLedgerRow(db)?.lastCreateTimeMs ?? 0n;
  const lastOrderTime = time === 0n ? undefined : new Date(Number(time));
  return { ...summarize(db), writeTime: statSync(from).mtime, lastOrderTime };
}

/** Prepares the copy before it is put in place: upgrades its schema and declares the loss. */
function prepare(path: string, continuation: Continuation): { summary: LedgerSummary; loss: Loss } {
  const db = new Database(path);
  let prepared;
  try {
    db.defaultSafeIntegers(true);
    db.pragma('synchronous = FULL');
    migrate(db);
    const loss = declareLoss(db, continuation);
    prepared = { summary: summarize(db), loss };
  } finally {
    db.close();
  }
  syncFile(path);
  syncFolder(dirname(path));
  return prepared;
}
