import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { SELECT_LEDGER_ROW } from '../file/ledger-row.ts';

// A database read as if it had no WAL. Only in a process that has no connection to it: closing a descriptor drops the
// POSIX locks that SQLite holds on the file (https://www.sqlite.org/howtocorrupt.html, section 2.2).

/** The content of the database file without its WAL; numbers as text. */
export type DatabaseWithoutWal =
  | {
      readonly ledgerId: string;
      readonly firstOrderId: string;
      readonly lastOrderId: string;
      readonly generation: number;
    }
  | 'no ledger'
  | 'unreadable';

/** The database file for an onlooker. */
export interface DatabaseFile {
  readonly applicationId: number;
  readonly schemaVersion: number;
  /** Whether nothing was ever created in it. */
  readonly isEmpty: boolean;
  /** The column sealed_to of the ledger. */
  readonly sealedTo: string | null;
  readonly content: DatabaseWithoutWal;
}

/** The format in which schema.ts creates it. */
const LEDGER_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The result codes of SQLite for pages that do not fit together. */
const SQLITE_ERROR = 1;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** Its content without the WAL. */
export function readImmutable(path: string): DatabaseWithoutWal {
  return reading(path, readContent);
}

/** The same, with all that says whether a server may use the file. */
export function lookImmutable(path: string): DatabaseFile | 'unreadable' {
  return reading(path, (db) => {
    const content = readContent(db);
    const hasLedger = typeof content === 'object';
    const sealed = hasLedger ? db.prepare('SELECT sealed_to FROM ledger').get()?.['sealed_to'] : undefined;
    return {
      applicationId: Number(db.prepare('PRAGMA application_id').get()?.['application_id']),
      schemaVersion: Number(db.prepare('PRAGMA user_version').get()?.['user_version']),
      isEmpty: db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined,
      sealedTo: typeof sealed === 'string' ? sealed : null,
      content,
    };
  });
}

function reading<Result>(path: string, use: (db: DatabaseSync) => Result): Result | 'unreadable' {
  // `immutable` ignores the WAL, takes no lock and creates no file (https://www.sqlite.org/c3ref/open.html). Node's own
  // SQLite is used because that of better-sqlite3 takes no URI.
  const url = pathToFileURL(path);
  url.searchParams.set('immutable', '1');
  const db = new DatabaseSync(url, { readOnly: true });
  try {
    return use(db);
  } catch (error) {
    // During a checkpoint, pages may be torn or stem from different times.
    if (isOneOf(error, SQLITE_ERROR, SQLITE_CORRUPT, SQLITE_NOTADB)) return 'unreadable';
    throw error;
  } finally {
    db.close();
  }
}

function readContent(db: DatabaseSync): DatabaseWithoutWal {
  if (db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'ledger'").get() === undefined) return 'no ledger';
  const select = db.prepare(SELECT_LEDGER_ROW);
  select.setReadBigInts(true);
  const { ledger_id, first_order_id, last_order_id } = select.get() ?? {};
  const generation = Number(db.prepare('PRAGMA schema_version').get()?.['schema_version']);
  if (typeof ledger_id !== 'string' || !LEDGER_ID.test(ledger_id)) return 'unreadable';
  if (typeof first_order_id !== 'bigint' || typeof last_order_id !== 'bigint') return 'unreadable';
  return {
    ledgerId: ledger_id,
    firstOrderId: String(first_order_id),
    lastOrderId: String(last_order_id),
    generation,
  };
}

/** Extended result codes carry the plain one in their lowest byte. */
function isOneOf(error: unknown, ...codes: number[]): boolean {
  return error instanceof Error && 'errcode' in error && codes.includes(Number(error.errcode) & 0xff);
}
