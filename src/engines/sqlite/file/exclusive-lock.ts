import { closeSync, openSync } from 'node:fs';
import Database from 'better-sqlite3';
import { requirePlainFile } from './owner.ts';

/** A lock on a file, until {@link ExclusiveLock.release} or the end of the process. Garbage collection releases it, too. */
export interface ExclusiveLock {
  release(): void;
}

/**
 * Locks an empty file, which is created with this mode if it does not exist, and stays. Undefined if another process
 * holds the lock. Throws LedgerRefused if a link is in its place, and what the system or SQLite throws if it cannot be
 * opened.
 *
 * The lock is SQLite's own exclusive lock. The operating system drops it with the process, even after kill -9, so it is
 * never stale. It holds on the file itself, whichever path leads there.
 */
export function lockExclusively(path: string, mode: number): ExclusiveLock | undefined {
  create(path, mode);
  requirePlainFile(path);
  let lock: Database.Database | undefined;
  try {
    lock = new Database(path, { timeout: 0 });
    // No journal file beside it, since nothing is ever written.
    lock.pragma('journal_mode = MEMORY');
    lock.exec('BEGIN EXCLUSIVE');
    const held = lock;
    return { release: () => void held.close() };
  } catch (error) {
    lock?.close();
    if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')) return undefined;
    throw error;
  }
}

/** Through no link. A file that exists is left alone: closing it would release a lock that this process holds on it. */
function create(path: string, mode: number): void {
  try {
    closeSync(openSync(path, 'wx', mode));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}
