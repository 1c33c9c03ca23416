import { existsSync, statSync } from 'node:fs';
import { SqliteError } from 'better-sqlite3';
import type Database from 'better-sqlite3';
import { LedgerRefused } from '../../../core/errors.ts';
import { readMark } from '../file/high-water-mark.ts';
import type { LedgerFiles } from '../file/ledger-files.ts';
import { filesOf } from '../file/ledger-files.ts';
import { inspect } from '../file/inspection.ts';
import { movedAway, readLedgerRow } from '../file/ledger-row.ts';
import { isEmpty, requireLedger } from '../file/schema.ts';

/** What is known about the ledger that a restore would replace. */
export interface Evidence {
  /** Undefined if there was no ledger. */
  readonly ledgerId: string | undefined;
  /** The greatest order_id known to be given; 0 if there was no ledger. */
  readonly end: bigint;
  /** The source of `end`, for a message. */
  readonly witness: string;
  /** Why `end` may be too low, as on a new machine; undefined if the mark, which no copy can hold back, was read. */
  readonly doubt: string | undefined;
  /** False if only the mark is known, which may lag after a power cut. */
  readonly hasLedger: boolean;
  readonly lastCreateTimeMs: bigint;
}

/** Adds the mark beside the backup, as in a snapshot of the whole folder: at least its last order_id was given. */
export function withMarkOf(backup: string, evidence: Evidence, ledgerId: string): Evidence {
  const path = filesOf(backup).mark;
  const mark = readMark(path);
  if (mark === undefined || mark === 'torn' || mark.ledgerId !== ledgerId) return evidence;
  if (mark.lastOrderId <= evidence.end) return evidence;
  return { ...evidence, end: mark.lastOrderId, witness: `the mark ${path}` };
}

/** A warning if only the mark says how far numbering had gone. */
export function markWarning({ hasLedger, doubt }: Evidence): string | undefined {
  if (hasLedger || doubt !== undefined) return undefined;
  return (
    'only the mark says how far the numbers had gone. After a power cut it may lag behind by the numbers since the last ' +
    'checkpoint, and a copied mark is as old as its copy; numbers beyond it would be given twice. If it was copied, ' +
    'restore again with --continue-above ORDER_ID'
  );
}

interface OldEnd {
  readonly ledgerId: string;
  readonly end: bigint;
  readonly lastCreateTimeMs: bigint;
}

/**
 * Reads the old ledger and its mark, and changes nothing. Throws LedgerRefused if they belong to another ledger than
 * `ledgerId`, or if the old one must never number again.
 */
export function gatherEvidence(files: LedgerFiles, ledgerId: string): Evidence {
  const mark = readMark(files.mark);
  const old = readOldEnd(files);
  const readableMark = mark === 'torn' ? undefined : mark;
  const readableOld = old === 'unreadable' ? undefined : old;
  if (!readableMark && !readableOld) {
    const isNew = mark === undefined && old === undefined;
    const doubt = isNew
      ? `no mark and no ledger exist at ${files.database}`
      : `neither ${files.database} nor its mark ${files.mark} can be read to see which numbers were given`;
    return { ledgerId: undefined, end: 0n, witness: 'nothing', doubt, hasLedger: false, lastCreateTimeMs: 0n };
  }
  for (const [path, witness] of [
    [files.database, readableOld],
    [files.mark, readableMark],
  ] as const) {
    if (!witness || witness.ledgerId === ledgerId) continue;
    throw new LedgerRefused(
      `${path} belongs to ledger ${witness.ledgerId}, but the backup to ledger ${ledgerId}; move the old ledger and its ` +
        '.mark away, or name another place with --ledger',
    );
  }
  const oldEnd = readableOld?.end ?? -1n;
  const markEnd = readableMark?.lastOrderId ?? -1n;
  return {
    ledgerId,
    end: oldEnd > markEnd ? oldEnd : markEnd,
    witness: oldEnd >= markEnd ? `${files.database}` : `the mark ${files.mark}`,
    // A torn mark was written here, by the ledger beside it.
    doubt:
      mark === undefined ? `no mark exists beside ${files.database}, which may itself be an older copy` : undefined,
    hasLedger: readableOld !== undefined,
    lastCreateTimeMs: readableOld?.lastCreateTimeMs ?? 0n,
  };
}

/** Undefined if there is no ledger. */
function readOldEnd({ database, wal }: LedgerFiles): OldEnd | 'unreadable' | undefined {
  if (!existsSync(database)) return undefined;
  // An empty file with a WAL may be a ledger whose server was killed at its first commit.
  if (statSync(database).size === 0 && !existsSync(wal)) return undefined;
  try {
    return inspect(database, (db) => {
      requireLedger(db);
      return isEmpty(db) ? undefined : readCounters(db);
    });
  } catch (error) {
    if (error instanceof SqliteError) return 'unreadable';
    throw error;
  }
}

function readCounters(db: Database.Database): OldEnd | 'unreadable' {
  const ledger = readLedgerRow(db);
  if (!ledger) return 'unreadable';
  const { ledgerId, lastOrderId, lastCreateTimeMs, movedTo } = ledger;
  if (movedTo) throw movedAway(db.name, movedTo, 'neither must an older copy of it');
  return { ledgerId, end: maxEnd(lastOrderId, lastRowEnd(db)), lastCreateTimeMs };
}

/** In a damaged ledger, rows may be ahead of the counter. */
function lastRowEnd(db: Database.Database): bigint {
  try {
    const sql = 'SELECT order_id + (count - 1) FROM allocations ORDER BY order_id DESC LIMIT 1';
    return db.prepare<[], bigint>(sql).pluck().get() ?? 0n;
  } catch (error) {
    if (error instanceof SqliteError) return 0n;
    throw error;
  }
}

function maxEnd(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
