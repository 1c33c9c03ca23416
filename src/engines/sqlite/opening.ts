import { dirname } from 'node:path';
import type Database from 'better-sqlite3';
import { SqliteError } from 'better-sqlite3';
import { LedgerRefused } from '../../errors.ts';
import type { ExpectedLedger } from '../../expected-ledger.ts';
import { ANY_LEDGER, mayCreate, notCreated, requireExpectedId } from '../../expected-ledger.ts';
import { requireFilledLedger } from './backup-check.ts';
import type { Found, LedgerUse } from './before-opening.ts';
import { compareWithMark, lookBeforeOpening, readEnd } from './before-opening.ts';
import { checkpoint, openWriteConnection } from './connection.ts';
import type { Base, Mark } from './high-water-mark.ts';
import { HighWaterMark, readMark } from './high-water-mark.ts';
import type { LedgerFiles } from './ledger-files.ts';
import { syncFolder } from './ledger-files.ts';
import { migrate } from './schema.ts';
import { readWalHeader } from './wal-file.ts';

/** A ledger that may number: everything that was ever committed is on disk, and its mark agrees. */
export interface OpenLedger {
  readonly db: Database.Database;
  readonly mark: HighWaterMark;
  readonly ledgerId: string;
  readonly lastOrderId: bigint;
  /** Whether this opening has created it. */
  readonly isNew: boolean;
  /** What the operator should know, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Opens the ledger, at start and after a failed commit; undefined while another process still reads an
 * old state of it. Throws LedgerRefused where an operator has to act, and then no file is changed.
 *
 * First everything is compared with the mark (P9). Then the WAL goes into the database and to the disk, whole. Without
 * that, a restarted server could replay a pair that only the page cache has (P4), or append behind frames whose fsync
 * failed. Last, one transaction proves that a commit can be made durable.
 *
 * A ledger that was sealed is refused, unless it is opened to be `moved`: never by one that numbers. One that is not
 * expected is refused, and left as it is.
 */
export function openLedger(
  files: LedgerFiles,
  use: LedgerUse = 'served',
  expected: ExpectedLedger = ANY_LEDGER,
): OpenLedger | undefined {
  try {
    const found = lookBeforeOpening(files, use);
    if (found.end) requireExpectedId(files.database, found.end.ledgerId, expected);
    else if (!mayCreate(expected)) throw notCreated(files.database, expected);
    return open(files, found, use);
  } catch (error) {
    if (!(error instanceof SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code))) throw error;
    throw new LedgerRefused(
      `${files.database} is damaged or no SQLite database (${error.message}): put a good copy back, with its -wal ` +
        'file, or name another file with --ledger',
    );
  }
}

function open(files: LedgerFiles, found: Found, use: LedgerUse): OpenLedger | undefined {
  // What was looked at may have gone since: then nothing is created in its place.
  const db = openWriteConnection(files.database, { mayCreate: !found.end });
  let mark: HighWaterMark | undefined;
  try {
    if (checkpoint(db, 'TRUNCATE').busy) {
      db.close();
      return undefined;
    }
    if (!found.end) make(db, files);
    else {
      requireFilledLedger(db);
      migrate(db);
    }
    const end = readEnd(db, use);
    if (found.end) compareWithMark(files, readMark(files.mark), end);
    // The WAL is empty: whichever comes next belongs to this database.
    mark = new HighWaterMark(files.mark, end, { ...readBaseNow(db, files), salts: undefined });
    if (use === 'served') {
      raiseGeneration(db);
      completeCheckpoint(db, files, mark);
      checkpoint(db, 'TRUNCATE');
    }
    return { db, mark, ...end, isNew: !found.end, warnings: found.warnings };
  } catch (error) {
    mark?.close();
    db.close();
    throw error;
  }
}

/** The names are on disk before anything is in the WAL: never is a WAL found without its database. */
function make(db: Database.Database, files: LedgerFiles): void {
  const folder = dirname(files.database);
  syncFolder(folder);
  migrate(db);
  checkpoint(db, 'TRUNCATE');
  syncFolder(folder);
}

/**
 * One durable transaction that changes nothing but the number that tells two states with the same last order_id apart:
 * SQLite's own schema_version, which every connection has to notice, and does.
 */
export function raiseGeneration(db: Database.Database): void {
  // SQLite lets nobody set it by mistake.
  db.unsafeMode(true);
  try {
    db.exec(`PRAGMA schema_version = ${readGeneration(db) + 1}`);
  } finally {
    db.unsafeMode(false);
  }
}

/**
 * Moves what is in the WAL into the database. Where that was all of it, the mark says so, on disk, before this returns
 * true; then the WAL may start anew. The last change must have given an order_id or raised the generation.
 */
export function completeCheckpoint(db: Database.Database, files: LedgerFiles, mark: HighWaterMark): boolean {
  // Read before: what others may commit meanwhile need not be in the database.
  const base = readBaseNow(db, files);
  const { busy, walFrames, checkpointedFrames } = checkpoint(db, 'PASSIVE');
  const isComplete = !busy && walFrames === checkpointedFrames;
  if (isComplete) mark.recordBase(base);
  else mark.sync();
  return isComplete;
}

function readBaseNow(db: Database.Database, files: LedgerFiles): Base {
  const end: Mark = readEnd(db, 'moved');
  const pages = Number(db.pragma('page_count', { simple: true }));
  return {
    ...end,
    generation: readGeneration(db),
    bytes: pages * Number(db.pragma('page_size', { simple: true })),
    salts: readWalHeader(`${files.database}-wal`)?.salts,
  };
}

function readGeneration(db: Database.Database): number {
  return Number(db.pragma('schema_version', { simple: true }));
}
