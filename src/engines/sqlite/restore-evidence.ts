import { existsSync, statSync } from 'node:fs';
import { SqliteError } from 'better-sqlite3';
import type Database from 'better-sqlite3';
import { LedgerRefused } from '../../errors.ts';
import { openReadConnection } from './connection.ts';
import { readMark } from './high-water-mark.ts';
import type { LedgerFiles } from './ledger-files.ts';
import { isEmpty, requireLedger } from './schema.ts';

/** What is known of the ledger that a restore would replace. */
export interface Evidence {
  /** Undefined where there was no ledger. */
  readonly ledgerId: string | undefined;
  /** The greatest order_id that was given, as far as is known; 0 where there was no ledger. */
  readonly end: bigint;
  /** Who says so: for a message. */
  readonly witness: string;
  /** False where only the mark speaks, which after a power cut may be behind. */
  readonly hasLedger: boolean;
  readonly lastCreateTimeMs: bigint;
}

interface OldEnd {
  readonly ledgerId: string;
  readonly end: bigint;
  readonly lastCreateTimeMs: bigint;
}

/**
 * Looks at what is in the place of a ledger, which nobody may be writing, and at its mark. Throws LedgerRefused where the
 * restored ledger has another id than `ledgerId`, where the old one must never number again, and where there
 * was a ledger and neither it nor its mark can be read: then nobody knows which numbers were given.
 */
export function gatherEvidence(files: LedgerFiles, ledgerId: string): Evidence {
  const mark = readMark(files.mark);
  const old = readOldEnd(files.database);
  const readableMark = mark === 'torn' ? undefined : mark;
  const readableOld = old === 'unreadable' ? undefined : old;
  if (!readableMark && !readableOld) {
    if (mark === undefined && old === undefined) {
      return { ledgerId: undefined, end: 0n, witness: 'nothing', hasLedger: false, lastCreateTimeMs: 0n };
    }
    throw new LedgerRefused(
      `nobody knows which numbers ${files.database} has given, because neither it nor its mark ${files.mark} can be ` +
        'read: move both away only if all of its numbers are in the backup, then restore as on a new machine',
    );
  }
  for (const [path, witness] of [
    [files.database, readableOld],
    [files.mark, readableMark],
  ] as const) {
    if (!witness || witness.ledgerId === ledgerId) continue;
    throw new LedgerRefused(
      `${path} belongs to ledger ${witness.ledgerId}, the backup to ledger ${ledgerId}: move the old ledger and its ` +
        '.mark away, or name another place with --ledger',
    );
  }
  const oldEnd = readableOld?.end ?? -1n;
  const markEnd = readableMark?.lastOrderId ?? -1n;
  return {
    ledgerId,
    end: oldEnd > markEnd ? oldEnd : markEnd,
    witness: oldEnd >= markEnd ? `${files.database}` : `the mark ${files.mark}`,
    hasLedger: readableOld !== undefined,
    lastCreateTimeMs: readableOld?.lastCreateTimeMs ?? 0n,
  };
}

/** Undefined where there is no ledger. */
function readOldEnd(database: string): OldEnd | 'unreadable' | undefined {
  if (!existsSync(database)) return undefined;
  // An empty file with a WAL may still be a ledger that was killed at its first commit.
  if (statSync(database).size === 0 && !existsSync(`${database}-wal`)) return undefined;
  let db: Database.Database | undefined;
  try {
    db = openReadConnection(database);
    requireLedger(db);
    if (isEmpty(db)) return undefined;
    return readCounters(db);
  } catch (error) {
    if (error instanceof SqliteError) return 'unreadable';
    throw error;
  } finally {
    db?.close();
  }
}

function readCounters(db: Database.Database): OldEnd | 'unreadable' {
  const ledger = db
    .prepare<[], { ledger_id: string; last_order_id: bigint; last_create_time_ms: bigint; sealed_to: string | null }>(
      'SELECT ledger_id, last_order_id, last_create_time_ms, sealed_to FROM ledger',
    )
    .get();
  if (!ledger) return 'unreadable';
  if (ledger.sealed_to !== null) {
    throw new LedgerRefused(
      `${db.name} was moved to ${ledger.sealed_to} and must not number again: an older copy of it must not either`,
    );
  }
  return {
    ledgerId: ledger.ledger_id,
    end: maxEnd(ledger.last_order_id, lastRowEnd(db)),
    lastCreateTimeMs: ledger.last_create_time_ms,
  };
}

/** In a damaged ledger rows may be ahead of the counter. */
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
