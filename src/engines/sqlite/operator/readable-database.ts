import { copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { SqliteError } from 'better-sqlite3';
import { LedgerRefused, messageOf } from '../../../core/errors.ts';
import { compareWithMark, checkBeforeOpening, readEnd } from '../recovery/opening-check.ts';
import { readMark } from '../file/high-water-mark.ts';
import { filesOf } from '../file/ledger-files.ts';
import { inspect } from '../file/inspection.ts';

/** A database that can be read: the original, or a copy that `remove` deletes. */
export interface ReadableDatabase {
  readonly path: string;
  remove(): void;
}

/**
 * SQLite reads a database in WAL mode only if it can create files beside it. In a read-only folder, a database that was
 * closed cleanly is complete in its one file and is read from a temporary copy. Throws LedgerRefused if a -wal file
 * exists, because its owner may be at work.
 */
export function makeReadable(database: string): ReadableDatabase {
  try {
    inspect(database, (db) => db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get());
  } catch (error) {
    if (isFolderReadOnly(error)) return copyOf(database);
    // The reader reports any other problem.
    if (!(error instanceof SqliteError)) throw error;
  }
  return { path: database, remove() {} };
}

/**
 * Throws LedgerRefused if a server would not start on this ledger because of its mark or its -wal file (P9). Works
 * beside a running server as well, and accepts a ledger that was moved.
 */
export function requireServable(database: string, { path }: ReadableDatabase): void {
  const files = filesOf(database);
  try {
    if (path === database) checkBeforeOpening(files, 'moved');
    else
      compareWithMark(
        files,
        readMark(files.mark),
        inspect(path, (db) => readEnd(db, 'moved')),
      );
  } catch (error) {
    // The reader reports damage.
    if (!(error instanceof SqliteError)) throw error;
  }
}

/** Whether SQLite cannot create what it needs beside a database. */
function isFolderReadOnly(error: unknown): boolean {
  return error instanceof SqliteError && /^SQLITE_(CANTOPEN|READONLY)/.test(error.code);
}

function copyOf(database: string): ReadableDatabase {
  const before = stateOf(database);
  const folder = mkdtempSync(join(tmpdir(), 'order-numbers-copy-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const path = join(folder, basename(database));
  try {
    copyFileSync(database, path);
    if (stateOf(database) !== before) throw cannotRead(database, 'it changed while it was read');
    return { path, remove };
  } catch (error) {
    remove();
    throw error instanceof LedgerRefused ? error : cannotRead(database, messageOf(error));
  }
}

/** Changes whenever a server has written. */
function stateOf(database: string): string {
  const { mtimeNs, size, ino } = statSync(database, { bigint: true });
  const { wal } = filesOf(database);
  const walStat = statSync(wal, { throwIfNoEntry: false });
  if (walStat && walStat.size > 0) throw cannotRead(database, `its newest numbers are in ${wal}`);
  return `${ino} ${size} ${mtimeNs}`;
}

function cannotRead(database: string, why: string): LedgerRefused {
  return new LedgerRefused(
    `${database} cannot be read in its folder (${why}): SQLite creates a -shm file beside a ledger to read it; mount the ` +
      'folder for writing and use an account that may write there, or stop the server and copy the ledger elsewhere with ' +
      'its -wal file',
  );
}
