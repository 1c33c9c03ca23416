import Database from 'better-sqlite3';
import { LedgerRefused } from '../../../core/errors.ts';
import { requireLedger } from './schema.ts';

/** How long SQLite itself waits for a lock that another connection holds briefly. */
const BUSY_TIMEOUT_MS = 250;
/**
 * The most that a WAL grows to between two checkpoints under full load. With a lower limit, each restart of the WAL would
 * truncate it, and the next commits would have to allocate its blocks again.
 */
const MAX_IDLE_WAL_BYTES = 128 * 2 ** 20;

/**
 * Opens the connection that writes, durably: every commit is on disk when it returns. int64 columns come
 * as bigint. Throws LedgerRefused if the file is not a ledger, and leaves it unchanged.
 *
 * synchronous=FULL is set after journal_mode and read back, on every open: this build of SQLite opens a
 * WAL database with NORMAL, which loses acknowledged commits in a power cut
 * (https://www.sqlite.org/pragma.html#pragma_synchronous).
 */
export function openWriteConnection(path: string, { mayCreate = true } = {}): Database.Database {
  const db = new Database(path, { timeout: BUSY_TIMEOUT_MS, fileMustExist: !mayCreate });
  try {
    db.defaultSafeIntegers(true);
    requireLedger(db);
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    // The checkpointer runs checkpoints, on a thread of its own.
    db.pragma('wal_autocheckpoint = 0');
    // A WAL that grew during a long read is truncated when it restarts.
    db.pragma(`journal_size_limit = ${MAX_IDLE_WAL_BYTES}`);
    if (process.platform === 'darwin') {
      // On macOS fsync leaves data in the drive's cache; F_FULLFSYNC does not.
      db.pragma('fullfsync = ON');
      db.pragma('checkpoint_fullfsync = ON');
    }
    const journalMode = db.pragma('journal_mode', { simple: true });
    const synchronous = Number(db.pragma('synchronous', { simple: true }));
    if (journalMode !== 'wal' || synchronous !== 2) {
      throw new LedgerRefused(
        `${path} could not be opened durably (journal_mode ${String(journalMode)}, synchronous ${synchronous}); ` +
          'use a local file system that supports WAL',
      );
    }
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Opens a connection that reads. int64 columns come as bigint. */
export function openReadConnection(path: string): Database.Database {
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  db.defaultSafeIntegers(true);
  return db;
}

/** Begins a read transaction. BEGIN alone does not: the first read fixes the state of the ledger that it sees. */
export function beginRead(db: Database.Database): void {
  db.exec('BEGIN');
  try {
    db.prepare('SELECT 1 FROM ledger').get();
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
}
