import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type Database from 'better-sqlite3';
import { SqliteError } from 'better-sqlite3';
import { LedgerRefused, messageOf } from '../../../core/errors.ts';
import type { ExpectedLedger } from '../../../core/expected-ledger.ts';
import { ANY_LEDGER, mayCreate, notCreated, requireExpectedId } from '../../../core/expected-ledger.ts';
import type { Found, LedgerUse } from './opening-check.ts';
import { compareWithMark, checkBeforeOpening, readEnd } from './opening-check.ts';
import { checkpoint, completeCheckpoint, raiseGeneration, readBaseNow } from '../file/checkpoint.ts';
import { openWriteConnection } from '../file/connection.ts';
import { readWithoutWal, syncDatabase } from './database-without-wal.ts';
import { isDiskFull, requireRoom } from '../disk/disk-room.ts';
import { HighWaterMark, readMark } from '../file/high-water-mark.ts';
import { syncFolder } from '../file/fsync.ts';
import type { LedgerFiles } from '../file/ledger-files.ts';
import { requireWritable } from '../file/owner.ts';
import { migrate, requireFilledLedger } from '../file/schema.ts';
import { readWalHeader, rewriteFrames } from '../file/wal-file.ts';

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
export function openLedger(files: LedgerFiles, options: OpenOptions = {}): OpenLedger | undefined {
  const { use = 'served' } = options;
  let found: Found | undefined;
  try {
    found = check(files, options);
    return open(files, found, options);
  } catch (error) {
    if (isDiskFull(error, files)) throw found?.end ? error : fullBeforeCheck(files, use, error);
    throw asRefusal(error, files);
  }
}

/**
 * Throws LedgerRefused where {@link openLedger} would because of what lies there, and changes no file. What else fails is
 * for the opening itself to say.
 */
export function requireOpenable(files: LedgerFiles, options: OpenOptions): void {
  try {
    check(files, options);
  } catch (error) {
    const refusal = asRefusal(error, files);
    if (refusal instanceof LedgerRefused) throw refusal;
  }
}

function check(files: LedgerFiles, { use = 'served', expected = ANY_LEDGER }: OpenOptions): Found {
  requireLedgerWritable(files);
  const found = checkBeforeOpening(files, use);
  if (found.end) requireExpectedId(files.database, found.end.ledgerId, expected);
  else if (!mayCreate(expected)) throw notCreated(files.database, expected);
  return found;
}

function asRefusal(error: unknown, { database }: LedgerFiles): unknown {
  if (!(error instanceof SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code))) return error;
  return new LedgerRefused(
    `${database} is damaged or no SQLite database (${error.message}): put a good copy back, with its -wal ` +
      'file, or name another file with --ledger',
  );
}

export interface OpenOptions {
  readonly use?: LedgerUse;
  /** Which ledger it has to be; any, unless it says so. */
  readonly expected?: ExpectedLedger | undefined;
  /** Whether it opens beside another process that reads an old state: never after a commit has failed in this process. */
  readonly passReaders?: boolean;
  /** Whether the disk was full: then what an opening writes is no proof that there is room for a batch. */
  readonly wasFull?: boolean;
}

/** There is no room to write. Up to `lastOrderId` everything is on disk, and may be read. */
export class LedgerDiskFull extends LedgerRefused {
  readonly lastOrderId: bigint;

  constructor(message: string, lastOrderId: bigint) {
    super(message);
    this.lastOrderId = lastOrderId;
  }
}

function open(
  files: LedgerFiles,
  found: Found,
  { use = 'served', passReaders = false, wasFull = false }: OpenOptions,
): OpenLedger | undefined {
  // What was looked at may have gone since: then nothing is created in its place.
  const db = openWriteConnection(files.database, { mayCreate: !found.end });
  let mark: HighWaterMark | undefined;
  let isOpen = false;
  try {
    const isBusy = checkpoint(db, 'TRUNCATE').busy;
    if (isBusy && !(passReaders && makeDurable(db, files))) return undefined;
    if (wasFull) requireRoom(files);
    if (!found.end) make(db, files);
    else {
      requireFilledLedger(db);
      migrate(db);
    }
    const end = readEnd(db, use);
    if (found.end) compareWithMark(files, readMark(files.mark), end);
    // Where the WAL is empty, whichever comes next belongs to this database.
    mark = new HighWaterMark(files.mark, end, isBusy ? 'kept' : { ...readBaseNow(db, files), salts: undefined });
    if (use === 'served') {
      raiseGeneration(db);
      completeCheckpoint(db, files, mark);
      if (!isBusy) checkpoint(db, 'TRUNCATE');
    }
    isOpen = true;
    return { db, mark, ...end, isNew: !found.end, warnings: found.warnings };
  } catch (error) {
    // What is in the WAL cannot be moved then; it is put on disk where it is, which needs no room.
    if (!found.end || !isDiskFull(error, files) || !makeDurable(db, files)) throw error;
    throw new LedgerDiskFull(
      `${whyFull(files, error)}: it is read, and numbers again when there is room`,
      found.end.lastOrderId,
    );
  } finally {
    if (!isOpen) {
      mark?.close();
      db.close();
    }
  }
}

/**
 * Puts everything on disk that recovery found, although somebody's reading keeps it in the WAL; answers whether that is
 * certain. The owner before may have been killed after an fsync that failed.
 */
function makeDurable(db: Database.Database, files: LedgerFiles): boolean {
  let frames: number;
  try {
    // Nobody writes the WAL meanwhile.
    db.exec('BEGIN IMMEDIATE');
  } catch (error) {
    if (error instanceof SqliteError && error.code.startsWith('SQLITE_BUSY')) return false;
    throw error;
  }
  try {
    frames = rewriteFrames(files.wal);
    syncDatabase(files.database);
  } finally {
    db.exec('ROLLBACK');
  }
  // SQLite must not know of more than what was written.
  return checkpoint(db, 'NOOP').walFrames <= frames;
}

/** A ledger of which no more is known than that its disk is full: not even the -shm file could be created. */
function fullBeforeCheck(files: LedgerFiles, use: LedgerUse, error: unknown): Error {
  const withoutWal = existsSync(files.database) && !readWalHeader(files.wal) && readWithoutWal(files.database);
  if (typeof withoutWal !== 'object' || use === 'moved') {
    return new LedgerRefused(`${whyFull(files, error)}: make room there, or name another place`);
  }
  const end = { ledgerId: withoutWal.ledgerId, lastOrderId: BigInt(withoutWal.lastOrderId) };
  compareWithMark(files, readMark(files.mark), end);
  return new LedgerDiskFull(whyFull(files, error), end.lastOrderId);
}

function whyFull({ database }: LedgerFiles, error: unknown): string {
  return `the disk of ${database} is full (${messageOf(error)})`;
}

/** The names are on disk before anything is in the WAL: never is a WAL found without its database. */
function make(db: Database.Database, files: LedgerFiles): void {
  const folder = dirname(files.database);
  syncFolder(folder);
  migrate(db);
  checkpoint(db, 'TRUNCATE');
  syncFolder(folder);
}

/** Found before anything is written, so that the message can name the file. */
function requireLedgerWritable({ database, wal, shm, mark }: LedgerFiles): void {
  for (const path of [database, wal, shm, mark]) requireWritable(path);
}
