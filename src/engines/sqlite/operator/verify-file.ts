import { SqliteError } from 'better-sqlite3';
import { LedgerRefused } from '../../../core/errors.ts';
import type { VerifyEvent } from '../../../core/verify/events.ts';
import { findLedger } from '../file/ledger-files.ts';
import { inspect, prepareCleanup } from '../file/inspection.ts';
import type { ReadableDatabase } from './readable-database.ts';
import { makeReadable, requireServable } from './readable-database.ts';
import { requireLedgerRow } from '../file/ledger-row.ts';
import { requireFilledLedger } from '../file/schema.ts';
import { Thread, threadModule } from '../threads/thread.ts';
import type { VerifierMethods, VerifierOptions } from '../threads/verifier.ts';
import { eventsOf } from '../threads/verifier-events.ts';

/**
 * Verifies the ledger in the SQLite file at `path`, or one store of it, whether a server runs on it or not.
 * See LedgerReads.verify. Throws LedgerRefused if the file does not exist or cannot be read as a ledger, and if a server
 * would not start on it because it contradicts its mark or its -wal file (P9).
 */
export function verifyLedgerFile(path: string, storeId: bigint | undefined): AsyncIterable<VerifyEvent> {
  const database = findLedger(path);
  const readable = makeReadable(database);
  try {
    requireReadable(database, readable.path);
    requireServable(database, readable);
  } catch (error) {
    readable.remove();
    throw error;
  }
  return eventsFrom(readable, storeId);
}

async function* eventsFrom(readable: ReadableDatabase, storeId: bigint | undefined): AsyncGenerator<VerifyEvent> {
  const options: VerifierOptions = { database: readable.path, storeId };
  const cleanUp = prepareCleanup(readable.path);
  try {
    yield* eventsOf(new Thread<VerifierMethods>(threadModule('verifier'), options));
  } finally {
    cleanUp();
    readable.remove();
  }
}

/** Checked here, because this thread can say in one sentence what is wrong. */
function requireReadable(database: string, path: string): void {
  try {
    inspect(path, (db) => {
      requireFilledLedger(db);
      requireLedgerRow(db, 'use another copy', database);
    });
  } catch (error) {
    if (!(error instanceof SqliteError)) throw error;
    throw new LedgerRefused(`${database} ${unreadable(error)}`);
  }
}

function unreadable({ code, message }: InstanceType<typeof SqliteError>): string {
  if (/^SQLITE_(NOTADB|CORRUPT|ERROR)/.test(code)) {
    return `is damaged or not a ledger (${message}); name the file of a ledger, or use another copy`;
  }
  return `cannot be read (${message}, ${code}); retry, or use another copy`;
}
