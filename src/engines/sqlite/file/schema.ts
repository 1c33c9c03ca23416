import type Database from 'better-sqlite3';
import { LedgerRefused } from '../../../core/errors.ts';
import { raiseGeneration } from './checkpoint.ts';

/** Marks the file as a ledger in its header: "ORDN". */
const APPLICATION_ID = 0x4f52444e;

/** A UUIDv4 (RFC 9562, section 5.4) of SQLite's random numbers: to load node:crypto takes longer than to create a ledger. */
const NEW_LEDGER_ID = `SELECT lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) ||
  '-a' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))`;

/**
 * Each entry brings the schema from version i to version i + 1 and is never edited once released. All
 * numbers are the last ones given, so that a sequence can reach 2^63-1.
 */
const MIGRATIONS = [
  `
  -- One row: the counter of the sequence over all stores.
  CREATE TABLE ledger (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    ledger_id TEXT NOT NULL,
    first_order_id INTEGER NOT NULL CHECK (first_order_id >= 1),
    last_order_id INTEGER NOT NULL CHECK (last_order_id >= first_order_id - 1),
    last_create_time_ms INTEGER NOT NULL,
    -- Where this ledger was moved to; not null means that it must never number again.
    sealed_to TEXT
  ) STRICT;

  -- One row a store: its counter and its style.
  CREATE TABLE stores (
    store_id INTEGER PRIMARY KEY CHECK (store_id >= 1),
    first_number INTEGER NOT NULL CHECK (first_number >= 1),
    last_number INTEGER NOT NULL CHECK (last_number >= first_number - 1),
    prefix TEXT NOT NULL DEFAULT '',
    suffix TEXT NOT NULL DEFAULT '',
    min_digits INTEGER NOT NULL DEFAULT 0,
    create_time_ms INTEGER NOT NULL
  ) STRICT;

  -- One row an allocation. Nothing is ever updated or deleted here.
  CREATE TABLE allocations (
    order_id INTEGER PRIMARY KEY CHECK (order_id >= 1),
    store_id INTEGER NOT NULL,
    order_number INTEGER NOT NULL,
    count INTEGER NOT NULL CHECK (count >= 1),
    request_id TEXT NOT NULL,
    create_time_ms INTEGER NOT NULL,
    prefix TEXT NOT NULL,
    suffix TEXT NOT NULL,
    min_digits INTEGER NOT NULL
  ) STRICT;
  -- request_id first: time-ordered keys of all stores then share the index's last page.
  CREATE UNIQUE INDEX allocations_by_request_id ON allocations (request_id, store_id);
  CREATE UNIQUE INDEX allocations_by_order_number ON allocations (store_id, order_number);

  -- Ranges given up by a deliberate return to an older copy; no store_id means order_ids.
  CREATE TABLE declared_losses (
    store_id INTEGER,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL CHECK (last >= first),
    declare_time_ms INTEGER NOT NULL
  ) STRICT;

  INSERT INTO ledger (id, ledger_id, first_order_id, last_order_id, last_create_time_ms)
  VALUES (1, new_ledger_id(), 1, 0, 0);
  `,
  // What ALTER TABLE allocations ADD COLUMN does to the schema, but without its look at every row of a STRICT table: that
  // takes half a minute for 10 million rows, and fails for a damaged one. No row is written: a row without the column
  // has its default (https://www.sqlite.org/lang_altertable.html).
  `
  PRAGMA writable_schema = ON;
  -- Who asked: the name of a token or certificate, or empty.
  UPDATE sqlite_schema
  SET sql = substr(sql, 1, length(sql) - length(') STRICT')) || ', caller TEXT NOT NULL DEFAULT '''') STRICT'
  WHERE type = 'table' AND name = 'allocations' AND sql LIKE '%) STRICT';
  PRAGMA writable_schema = OFF;
  `,
];

/** Refuses a database of another program. Reads only, and so leaves it unchanged. */
export function requireLedger(db: Database.Database): void {
  const applicationId = Number(db.pragma('application_id', { simple: true }));
  if (!isEmpty(db)) requireOurs(db.name, applicationId);
}

/** Refuses the database at `path` if it has another program's application_id. */
export function requireOurs(path: string, applicationId: number): void {
  if (applicationId === APPLICATION_ID) return;
  throw new LedgerRefused(`${path} is a database of another program; --ledger must name an order ledger or a new file`);
}

/**
 * Creates or upgrades the schema, each step in a transaction of its own. Refuses a ledger that a newer version
 * of this program has upgraded. Returns the versions before and after; 0 is a new database.
 */
export function migrate(db: Database.Database): { readonly before: number; readonly after: number } {
  const before = requireKnownSchema(db);
  const ledgerId = db.prepare(NEW_LEDGER_ID).pluck().get();
  db.function('new_ledger_id', () => ledgerId);
  for (const [i, migration] of MIGRATIONS.entries()) {
    if (i < before) continue;
    db.transaction(() => {
      runMigration(db, migration);
      db.pragma(`application_id = ${APPLICATION_ID}`);
      db.pragma(`user_version = ${i + 1}`);
      // Every connection, this one included, reads the schema again.
      raiseGeneration(db);
    }).exclusive();
  }
  return { before, after: MIGRATIONS.length };
}

function runMigration(db: Database.Database, migration: string): void {
  // SQLite protects the text of its schema against being edited by mistake.
  db.unsafeMode(true);
  try {
    db.exec(migration);
  } finally {
    db.unsafeMode(false);
  }
}

/**
 * The version of the schema. Refuses one that only a newer version of this program knows, or that cannot be upgraded.
 * Reads only.
 */
export function requireKnownSchema(db: Database.Database): number {
  const version = Number(db.pragma('user_version', { simple: true }));
  requireKnownVersion(db.name, version);
  if (version === 1) requireUpgradable(db);
  return version;
}

/** The second migration edits the text of the table, as the first one has written it. */
function requireUpgradable(db: Database.Database): void {
  const find = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'allocations' AND sql LIKE '%) STRICT'");
  if (find.get() !== undefined) return;
  throw new LedgerRefused(
    `${db.name} cannot be upgraded: its table allocations was not created by this program; use another copy`,
  );
}

/** The version that the next start upgrades the schema of this version to; undefined if it is that one already. */
export function upgradeOf(version: number): number | undefined {
  return version < MIGRATIONS.length ? MIGRATIONS.length : undefined;
}

/** Refuses the ledger at `path` if its schema has a version that only a newer program knows. */
export function requireKnownVersion(path: string, version: number): void {
  if (version <= MIGRATIONS.length) return;
  throw new LedgerRefused(
    `${path} has schema version ${version}, but this program knows only ${MIGRATIONS.length}; use the newer version that wrote it`,
  );
}

/** Whether nothing was ever created in this database. */
export function isEmpty(db: Database.Database): boolean {
  return db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
}

/** Refuses a file that is no ledger, an empty database, and a schema that only a newer program knows. Reads only. */
export function requireFilledLedger(db: Database.Database): void {
  requireLedger(db);
  if (isEmpty(db)) throw new LedgerRefused(`${db.name} is an empty file and not a ledger; name the right one`);
  requireKnownSchema(db);
}
