import Database from 'better-sqlite3';

/** A lock on a file, until {@link ExclusiveLock.release} or the end of the process. Garbage collection releases it, too. */
export interface ExclusiveLock {
  release(): void;
}

/**
 * Locks an empty file, which is created if it does not exist and stays. Undefined if another process holds the lock.
 * Throws what SQLite throws if the file cannot be opened.
 *
 * The lock is SQLite's own exclusive lock. The operating system drops it with the process, even after kill -9, so it is
 * never stale. It holds on the file itself, whichever path leads there.
 */
export function lockExclusively(path: string): ExclusiveLock | undefined {
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
