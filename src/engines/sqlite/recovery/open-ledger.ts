import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type Database from 'better-sqlite3';
import { SqliteError } from 'better-sqlite3';
import { LedgerRefused, messageOf } from '../../../core/errors.ts';
import type { ExpectedLedger } from '../../../core/expected-ledger.ts';
import { ANY_LEDGER, mayCreate, notCreated, requireExpectedId } from '../../../core/expected-ledger.ts';
import type { Found, LedgerUse } from './opening-check.ts';
import { compareWithMark, checkBeforeOpening, damaged, readEnd } from './opening-check.ts';
import { checkpoint, completeCheckpoint, raiseGeneration, readBaseNow } from '../file/checkpoint.ts';
import { openWriteConnection } from '../file/connection.ts';
import { readWithoutWal, syncDatabase } from './database-without-wal.ts';
import { isDiskFull, requireRoom } from '../disk/disk-room.ts';
import { PassingRefusal } from '../disk/passing-refusal.ts';
import { HighWaterMark, readMark } from '../file/high-water-mark.ts';
import { syncFolder } from '../file/fsync.ts';
import type { LedgerFiles } from '../file/ledger-files.ts';
import { requireWritable } from '../file/owner.ts';
import { migrate, requireFilledLedger } from '../file/schema.ts';
import { readWalHeader, rewriteFrames } from '../file/wal-file.ts';

/** A ledger that can allocate: everything that was ever committed is on disk, and its mark agrees. */
export interface OpenLedger {
  readonly db: Database.Database;
  readonly mark: HighWaterMark;
  readonly ledgerId: string;
  readonly lastOrderId: bigint;
  /** Whether this opening has created it. */
  readonly isNew: boolean;
  /** For the operator, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Opens the ledger, at start and after a failed commit; undefined while another process still reads an old state of it.
 * Throws LedgerRefused, and changes no file, if an operator has to act.
 *
 * First everything is compared with the mark (P9). Then the whole WAL goes into the database and to the disk. Otherwise
 * a restarted server could replay a pair that only the page cache has (P4), or append after frames whose fsync failed.
 * Last, an older schema is upgraded, and one transaction proves that commits can be made durable.
 *
 * A sealed ledger is refused unless it is opened to be `moved`, which allocates nothing. A ledger other than the expected
 * one is refused and left unchanged.
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
 * Throws LedgerRefused if {@link openLedger} would refuse the files, and changes none of them. Any other failure is
 * left for the opening itself to report.
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
  return damaged(database, ` (${error.message})`);
}

export interface OpenOptions {
  readonly use?: LedgerUse;
  /** The ledger that it has to be; any by default. */
  readonly expected?: ExpectedLedger | undefined;
  /** Whether to open beside a process that reads an old state. Never after a failed commit in this process. */
  readonly passReaders?: boolean;
  /** Whether the disk was full. Then the little that an opening writes does not prove room for a batch. */
  readonly wasFull?: boolean;
}

/** The disk has no room. Everything up to `lastOrderId` is on disk and may be read. */
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
  // If the checked file has disappeared since, none is created in its place.
  const db = openWriteConnection(files.database, { mayCreate: !found.end });
  let mark: HighWaterMark | undefined;
  let isOpen = false;
  try {
    const isBusy = checkpoint(db, 'TRUNCATE').busy;
    if (isBusy && !(passReaders && makeDurable(db, files))) return undefined;
    if (wasFull) requireRoom(files);
    if (found.end) requireFilledLedger(db);
    else create(db, files);
    const end = readEnd(db, use);
    if (found.end) compareWithMark(files, readMark(files.mark), end);
    // If the WAL is empty, the next one belongs to this database.
    mark = new HighWaterMark(files.mark, end, isBusy ? 'kept' : { ...readBaseNow(db, files), salts: undefined });
    const warnings = [...found.warnings];
    if (use === 'served') {
      // Only now: nothing refuses the ledger any more, and the base of the mark is that of the older schema.
      const { before, after } = migrate(db);
      if (before < after) warnings.push(upgraded(files, before, after));
      raiseGeneration(db);
      completeCheckpoint(db, files, mark);
      if (!isBusy) checkpoint(db, 'TRUNCATE');
    }
    isOpen = true;
    return { db, mark, ...end, isNew: !found.end, warnings };
  } catch (error) {
    // The WAL cannot be moved then. It is put on disk in its place, which needs no room.
    if (!found.end || !isDiskFull(error, files) || !makeDurable(db, files)) throw error;
    throw new LedgerDiskFull(
      `${whyFull(files, error)}: reads go on, and numbering resumes once there is room`,
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
 * Puts everything on disk that recovery found, though a reader keeps it in the WAL. Returns whether that is certain.
 * The previous owner may have been killed after a failed fsync.
 */
function makeDurable(db: Database.Database, files: LedgerFiles): boolean {
  let frames: number;
  try {
    // Keeps every writer out of the WAL.
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
  // SQLite must not know of more frames than were written.
  return checkpoint(db, 'NOOP').walFrames <= frames;
}

/** The disk was too full even to create the -shm file, so that the files could not be checked. */
function fullBeforeCheck(files: LedgerFiles, use: LedgerUse, error: unknown): Error {
  const withoutWal = existsSync(files.database) && !readWalHeader(files.wal) && readWithoutWal(files.database);
  if (typeof withoutWal !== 'object' || use === 'moved') {
    const remedy = 'free some space there, or name another place';
    return new PassingRefusal(`${whyFull(files, error)}; ${remedy}`, 'SQLITE_FULL');
  }
  const end = { ledgerId: withoutWal.ledgerId, lastOrderId: BigInt(withoutWal.lastOrderId) };
  compareWithMark(files, readMark(files.mark), end);
  return new LedgerDiskFull(whyFull(files, error), end.lastOrderId);
}

function whyFull({ database }: LedgerFiles, error: unknown): string {
  return `the disk of ${database} is full (${messageOf(error)})`;
}

/**
 * Creates the ledger. Its name is on disk before anything is in the WAL, so that no WAL is found without a database.
 */
function create(db: Database.Database, files: LedgerFiles): void {
  const folder = dirname(files.database);
  syncFolder(folder);
  migrate(db);
  checkpoint(db, 'TRUNCATE');
  syncFolder(folder);
}

function upgraded({ database }: LedgerFiles, before: number, after: number): string {
  return `${database} was upgraded from schema version ${before} to ${after}; older releases refuse it from now on`;
}

/** Checked before anything is written, so that the message can name the file. */
function requireLedgerWritable({ database, wal, shm, mark }: LedgerFiles): void {
  for (const path of [database, wal, shm, mark]) requireWritable(path);
}
