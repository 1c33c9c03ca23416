import { existsSync, statSync } from 'node:fs';
import Database, { SqliteError } from 'better-sqlite3';
import { openReadConnection } from './connection.ts';
import { filesOf } from './ledger-files.ts';

/**
 * Reads a database and leaves its folder as it was. Throws what `read` throws, and SqliteError if the file cannot be
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
 * To be called before a database is opened for reading; the function it returns, once the connection is closed. A reader
 * of a closed WAL database creates an empty -wal and a -shm, and cannot remove them. The last connection that may write
 * does, at its close (https://www.sqlite.org/walformat.html#the_wal_file_lifecycle): one that only reads leaves the
 * database itself untouched.
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
      // Not writable, or in use by now: an empty -wal harms nobody.
      if (!(error instanceof SqliteError)) throw error;
    }
  };
}
