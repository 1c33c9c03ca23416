import { existsSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { LedgerRefused } from '../../../core/errors.ts';
import type { DatabaseWithoutWal } from './immutable-database.ts';
import { readGeneration } from '../file/checkpoint.ts';
import { openReadConnection } from '../file/connection.ts';
import { readWithoutWal } from './database-without-wal.ts';
import type { Base, Mark } from '../file/high-water-mark.ts';
import { readBase, readMark } from '../file/high-water-mark.ts';
import type { LedgerFiles } from '../file/ledger-files.ts';
import { unfinishedNameOf } from '../file/ledger-files.ts';
import { movedAway, requireLedgerRow } from '../file/ledger-row.ts';
import { isEmpty, requireKnownSchema, requireLedger } from '../file/schema.ts';
import type { WalHeader } from '../file/wal-file.ts';
import { readWalHeader } from '../file/wal-file.ts';

/** A WAL that was put aside at most this many restarts ago is still recognized by its salts. */
const MAX_RESTARTS = 1_000_000;

/** The purpose of an opening: a sealed ledger is refused unless it is opened to be `moved`. */
export type LedgerUse = 'served' | 'moved';

/** A ledger that may be opened, or the place for one. */
export interface Found {
  /** Undefined if no ledger was created yet. */
  readonly end: Mark | undefined;
  /** For the operator, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Checks that the files are the whole ledger and throws LedgerRefused if they are not, or if it must not be used.
 * Changes no file but the -shm one: SQLite moves a WAL into whatever database lies beside it, and afterwards nothing
 * shows that.
 *
 * It compares the database without its WAL, the database with it, and the mark (P9). Whenever the owner was killed or
 * the power was cut:
 *
 * - with the WAL, the ledger ends at the mark or beyond it;
 * - without the WAL, the database is as new as its {@link Base}, which is older than everything in the WAL; an older
 *   copy in its place is not. An interrupted checkpoint may have torn the database, but all of that is in the WAL as
 *   well. A database that cannot be read without its WAL is therefore no reason to refuse.
 */
export function checkBeforeOpening(files: LedgerFiles, use: LedgerUse): Found {
  const mark = readMark(files.mark);
  const base = readBase(files.mark);
  const hasWal = existsSync(files.wal);
  if (isEmptyFile(files)) {
    if (mark !== undefined) throw missing(files);
    if (sizeOf(files.wal) > 0) throw walWithoutDatabase(files);
    return { end: undefined, warnings: [] };
  }
  // Before both are read together: beside a running server, whatever is read later is newer.
  const wal = hasWal ? readWalHeader(files.wal) : undefined;
  const withoutWal = wal && readWithoutWal(files.database);
  const merged = readMerged(files, hasWal, use);
  if (!merged) {
    if (mark !== undefined) throw missing(files);
    return { end: undefined, warnings: [] };
  }
  const warnings = compareWithMark(files, mark, merged);
  if (base) requireNotBehind(files, base, merged);
  if (withoutWal) compareWithoutWal(files, { withoutWal, merged, base, wal });
  return { end: merged, warnings };
}

/** Throws LedgerRefused if the mark is another ledger's, or ahead of this end. Returns warnings. */
export function compareWithMark(files: LedgerFiles, mark: Mark | 'torn' | undefined, end: Mark): string[] {
  if (mark === undefined || mark === 'torn') {
    const state = mark === 'torn' ? 'torn' : 'missing';
    return [
      `the high-water mark ${files.mark} was ${state} and has been rewritten, so an older copy could not be detected; if ` +
        'this is a backup, stop the server and restore it with order-numbers restore --continue-above ORDER_ID',
    ];
  }
  requireNotBehind(files, mark, end);
  return [];
}

/** The content of the database with its WAL; undefined if nothing was ever created. */
function readMerged(files: LedgerFiles, hasWal: boolean, use: LedgerUse): Merged | undefined {
  // When it closes, the last connection that may write moves the WAL, and removes the files that it created itself. One
  // that only reads does neither.
  const db = hasWal ? openReadConnection(files.database) : new Database(files.database, { fileMustExist: true });
  try {
    db.defaultSafeIntegers(true);
    requireLedger(db);
    requireKnownSchema(db);
    if (isEmpty(db)) return undefined;
    return { ...readEnd(db, use), generation: readGeneration(db) };
  } finally {
    db.close();
  }
}

/** The end of the ledger. Throws LedgerRefused if its counter is missing, or if it must never number again. */
export function readEnd(db: Database.Database, use: LedgerUse): Mark {
  const { ledgerId, lastOrderId, movedTo } = requireLedgerRow(db, 'put a good copy back');
  if (movedTo && use === 'served') throw movedAway(db.name, movedTo, 'serve that one');
  return { ledgerId, lastOrderId };
}

/** Throws LedgerRefused if the mark is another ledger's, or ahead of this end. */
export function requireNotBehind(files: LedgerFiles, mark: Mark, end: Mark): void {
  if (mark.ledgerId !== end.ledgerId) {
    throw new LedgerRefused(
      `${files.database} is ledger ${end.ledgerId}, but its mark ${files.mark} belongs to ledger ${mark.ledgerId}; ` +
        'put the right ledger back, or move its own mark along with it',
    );
  }
  if (mark.lastOrderId > end.lastOrderId) {
    throw new LedgerRefused(
      `${files.database} ends at order_id ${end.lastOrderId}, but ${mark.lastOrderId} was already given according to its ` +
        `mark ${files.mark}: this is an older copy or its end is lost, and continuing would give numbers twice; ` +
        'put the newest copy back, with its -wal file, or, if that is lost, continue above ' +
        `${mark.lastOrderId} with order-numbers restore --from BACKUP --accept-loss`,
    );
  }
}

/** The content of the database with its WAL. */
interface Merged extends Mark {
  readonly generation: number;
}

interface Witnesses {
  readonly withoutWal: DatabaseWithoutWal;
  readonly merged: Merged;
  readonly base: Base | undefined;
  readonly wal: WalHeader;
}

function compareWithoutWal(files: LedgerFiles, { withoutWal, merged, base, wal }: Witnesses): void {
  if (base && sizeOf(files.database) < base.bytes)
    throw olderThanWal(files, 'it is shorter than at the last checkpoint');
  if (withoutWal === 'unreadable') return;
  if (withoutWal === 'no ledger') {
    if (base) throw olderThanWal(files, 'it holds no ledger');
    return;
  }
  if (withoutWal.ledgerId !== merged.ledgerId) {
    throw olderThanWal(
      files,
      `alone it is ledger ${withoutWal.ledgerId}, but with its -wal file ledger ${merged.ledgerId}`,
    );
  }
  const lastOrderId = BigInt(withoutWal.lastOrderId);
  // An import may lower the counter of a ledger that has not numbered yet.
  if (lastOrderId > merged.lastOrderId && lastOrderId >= BigInt(withoutWal.firstOrderId)) {
    throw olderThanWal(
      files,
      `alone it ends at order_id ${lastOrderId}, but with its -wal file at ${merged.lastOrderId}`,
    );
  }
  if (withoutWal.generation > merged.generation)
    throw olderThanWal(files, 'the -wal file lacks later changes of stores');
  if (!base) return;
  if (lastOrderId < base.lastOrderId || withoutWal.generation < base.generation) {
    throw olderThanWal(
      files,
      `without its -wal file it ends at order_id ${lastOrderId}, but at the last checkpoint it held ` +
        (lastOrderId < base.lastOrderId ? `${base.lastOrderId}` : 'later changes of stores'),
    );
  }
  if (base.salts !== undefined && isEarlier(wal.salts, base.salts)) {
    throw olderThanWal(files, 'the -wal file is from before the last checkpoint');
  }
}

/** Whether a WAL is surely older than the one with these salts. Another program may have created a new file. */
function isEarlier(salts: string, than: string): boolean {
  const restarts = firstOf(than) - firstOf(salts);
  return salts !== than && restarts >= 0 && restarts < MAX_RESTARTS;
}

function firstOf(salts: string): number {
  return Number.parseInt(salts.slice(0, 8), 16);
}

function olderThanWal(files: LedgerFiles, why: string): LedgerRefused {
  return new LedgerRefused(
    `${files.database} and ${files.wal} do not belong together (${why}): this is an older copy put over the ` +
      'ledger, or the wrong -wal file, and continuing would give numbers twice; put the newest database back, or restore ' +
      'the copy with order-numbers restore --from BACKUP',
  );
}

function walWithoutDatabase(files: LedgerFiles): LedgerRefused {
  return new LedgerRefused(
    `${files.database} is missing or empty, but ${files.wal} exists and may hold numbers that were given; put ` +
      'the ledger back, or, only to number from 1 again, remove the -wal file as well',
  );
}

/** The refusal if a mark is all that is left of a ledger. */
export function missing(files: LedgerFiles): LedgerRefused {
  if (existsSync(unfinishedNameOf(files.database))) {
    return new LedgerRefused(`a ledger is being moved into ${files.database}; finish that with order-numbers migrate`);
  }
  return new LedgerRefused(
    `${files.database} is missing or empty, but its mark ${files.mark} exists; put the ledger back, with its -wal ` +
      'file, or, if it is lost, restore a backup with order-numbers restore --from BACKUP --accept-loss; only to number ' +
      'from 1 again, remove the mark as well',
  );
}

/** The refusal of a file that SQLite cannot read; `why` follows what it is. */
export function damaged(database: string, why = ''): LedgerRefused {
  return new LedgerRefused(
    `${database} is damaged or not an SQLite database${why}; put a good copy back, with its -wal file, or name another ` +
      'file with --ledger',
  );
}

/** Whether SQLite considers the database missing or empty, and removes the WAL: also if it has one byte. */
export function isEmptyFile({ database }: LedgerFiles): boolean {
  return sizeOf(database) <= 1;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
