import { SqliteError } from 'better-sqlite3';
import { LedgerRefused } from '../../errors.ts';
import type { VerifyEvent } from '../../verification.ts';
import { findLedger } from './backup.ts';
import { requireFilledLedger } from './backup-check.ts';
import { openReadConnection } from './connection.ts';
import { Thread, threadModule } from './thread.ts';
import type { VerifierMethods, VerifierOptions } from './verifier.ts';
import { eventsOf } from './verifier-events.ts';

/**
 * Verifies the ledger in the SQLite file at `path`, or one store of it, whether a server runs on it or not.
 * See Ledger.verify. Throws LedgerRefused where there is no such file, or it is no ledger that can be read.
 */
export function verifyLedgerFile(path: string, storeId: bigint | undefined): AsyncIterable<VerifyEvent> {
  const database = findLedger(path);
  requireReadable(database);
  return eventsOf(
    new Thread<VerifierMethods>(threadModule('verifier'), { database, storeId } satisfies VerifierOptions),
  );
}

/** Here, so that it is said in one sentence: what fails in the thread is only said to have failed. */
function requireReadable(database: string): void {
  try {
    const db = openReadConnection(database);
    try {
      requireFilledLedger(db);
      if (db.prepare('SELECT 1 FROM ledger').get() === undefined) {
        throw new LedgerRefused(`${database} is damaged: its counter is gone; use another copy`);
      }
    } finally {
      db.close();
    }
  } catch (error) {
    if (!(error instanceof SqliteError)) throw error;
    throw new LedgerRefused(`${database} ${unreadable(error)}`);
  }
}

function unreadable({ code, message }: InstanceType<typeof SqliteError>): string {
  if (code.startsWith('SQLITE_CANTOPEN') || code.startsWith('SQLITE_READONLY')) {
    return (
      `cannot be opened (${message}): SQLite makes a -shm file beside a ledger to read it, so use an account that may ` +
      'read it and write its folder, or copy it with its -wal file elsewhere'
    );
  }
  if (/^SQLITE_(NOTADB|CORRUPT|ERROR)/.test(code)) {
    return `is damaged or no ledger (${message}): name the file of a ledger, or use another copy`;
  }
  return `cannot be read (${message}, ${code}): try again, or use another copy`;
}
