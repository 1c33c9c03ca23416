import { existsSync, statSync } from 'node:fs';
import Database, { SqliteError } from 'better-sqlite3';
import { openReadConnection } from './connection.ts';
import { filesOf } from './ledger-files.ts';

/**
 * Reads a database and leaves its folder unchanged. Throws what `read` throws, and SqliteError if the file cannot be
 * opened.
 */
export function inspect<Result>(path: string, read: (db: Database.Database) => Result): Result {
  const cleanUp = prepareCleanup(path);
  try {
    const db = openReadConnection(path);
    try {
      return read(db);
    } finally {
      db.close();
    }
  } finally {
    cleanUp();
  }
}

/**
 * Call this before opening a database for reading, and the returned function after closing the connection. A reader of
 * a closed WAL database creates an empty -wal and a -shm file and cannot remove them. The last connection that may
 * write removes them when it closes (https://www.sqlite.org/walformat.html#the_wal_file_lifecycle). The one opened for
 * that only reads, and leaves the database itself untouched.
 */
export function prepareCleanup(path: string): () => void {
  const { wal } = filesOf(path);
  const hadWal = existsSync(wal);
  return () => {
    if (hadWal || statSync(wal, { throwIfNoEntry: false })?.size !== 0) return;
    try {
      const db = new Database(path, { fileMustExist: true, timeout: 0 });
      try {
        db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get();
      } finally {
        db.close();
      }
    } catch (error) {
      // Not writable, or in use by now. An empty -wal does no harm.
      if (!(error instanceof SqliteError)) throw error;
    }
  };
}
