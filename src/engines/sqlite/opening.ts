import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type Database from 'better-sqlite3';
import { SqliteError } from 'better-sqlite3';
import { LedgerRefused } from '../../errors.ts';
import { checkpoint, openWriteConnection } from './connection.ts';
import type { Mark } from './high-water-mark.ts';
import { HighWaterMark, readMark } from './high-water-mark.ts';
import type { LedgerFiles } from './ledger-files.ts';
import { syncFolder } from './ledger-files.ts';
import { isEmpty, migrate } from './schema.ts';

/** A ledger that may number: everything that was ever committed is on disk, and its mark agrees. */
export interface OpenLedger {
  readonly db: Database.Database;
  readonly mark: HighWaterMark;
  readonly ledgerId: string;
  readonly lastOrderId: bigint;
  /** What the operator should know, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Opens the ledger, at start and after a failed commit; undefined while another process still reads an
 * old state of it. Throws LedgerRefused where an operator has to act.
 *
 * First the WAL goes into the database and to the disk, whole. Without that, a restarted server could
 * replay a pair that only the page cache has (P4), or append behind frames whose fsync failed. Only then
 * is anything read, compared with the mark (P9) and believed.
 *
 * A ledger that was sealed is refused, unless it is opened to be `moved`: never by one that numbers.
 */
export function openLedger(files: LedgerFiles, use: 'served' | 'moved' = 'served'): OpenLedger | undefined {
  const mark = readMark(files.mark);
  if (mark !== undefined && !existsSync(files.database)) throw missing(files);
  try {
    return openAndCompare(files, mark, use);
  } catch (error) {
    if (!(error instanceof SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code))) throw error;
    throw new LedgerRefused(
      `${files.database} is damaged or no SQLite database (${error.message}): put a good copy back, with its -wal ` +
        'file, or name another file with --ledger',
    );
  }
}

function openAndCompare(
  files: LedgerFiles,
  mark: Mark | 'torn' | undefined,
  use: 'served' | 'moved',
): OpenLedger | undefined {
  const db = openWriteConnection(files.database);
  try {
    if (checkpoint(db, 'TRUNCATE').busy) {
      db.close();
      return undefined;
    }
    const isNew = isEmpty(db);
    if (isNew && mark !== undefined) throw missing(files);
    migrate(db);
    if (isNew) {
      checkpoint(db, 'TRUNCATE');
      syncFolder(dirname(files.database));
    }
    const end = readEnd(db, use);
    const warnings = isNew ? [] : compare(files, mark, end);
    return { db, mark: new HighWaterMark(files.mark, end), ...end, warnings };
  } catch (error) {
    db.close();
    throw error;
  }
}

function readEnd(db: Database.Database, use: 'served' | 'moved'): Mark {
  const ledger = db
    .prepare<[], { ledger_id: string; first_order_id: bigint; last_order_id: bigint; sealed_to: string | null }>(
      'SELECT ledger_id, first_order_id, last_order_id, sealed_to FROM ledger',
    )
    .get();
  if (!ledger) throw new LedgerRefused(`${db.name} is damaged: its counter is gone; put a good copy back`);
  if (ledger.sealed_to !== null && use === 'served') throw movedAway(db.name, ledger.sealed_to);
  return { ledgerId: ledger.ledger_id, lastOrderId: ledger.last_order_id };
}

/** What is said of a ledger that has another place now. */
export function movedAway(database: string, sealedTo: string): LedgerRefused {
  // What the place is under every name says nothing to people.
  const name = sealedTo.replace(/ \(database \d+ of system \d+\)$/, '');
  return new LedgerRefused(`${database} was moved to ${name} and must not number again: serve that one`);
}

function compare(files: LedgerFiles, mark: Mark | 'torn' | undefined, end: Mark): string[] {
  if (mark === undefined || mark === 'torn') {
    const state = mark === 'torn' ? 'torn' : 'missing';
    return [
      `the mark ${files.mark} was ${state} and is written anew: an older copy put back could not be noticed this time`,
    ];
  }
  if (mark.ledgerId !== end.ledgerId) {
    throw new LedgerRefused(
      `${files.database} is ledger ${end.ledgerId}, but its mark ${files.mark} belongs to ledger ${mark.ledgerId}: ` +
        'put the right ledger back, or move its own mark along with it',
    );
  }
  if (mark.lastOrderId > end.lastOrderId) {
    throw new LedgerRefused(
      `${files.database} ends at order_id ${end.lastOrderId}, but ${mark.lastOrderId} was already given, says its mark ` +
        `${files.mark}: this is an older copy or its end is lost, and numbering on would give numbers twice; ` +
        'put the newest copy back, with its -wal file',
    );
  }
  return [];
}

function missing(files: LedgerFiles): LedgerRefused {
  return new LedgerRefused(
    `${files.database} is missing or empty, but its mark ${files.mark} is there: put the ledger back, with its -wal ` +
      'file; only to number from 1 again, remove the mark as well',
  );
}
