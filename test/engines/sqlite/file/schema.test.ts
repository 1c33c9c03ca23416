import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { openWriteConnection } from '../../../../src/engines/sqlite/file/connection.ts';
import { isEmpty, migrate } from '../../../../src/engines/sqlite/file/schema.ts';
import { LedgerRefused } from '../../../../src/core/errors.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

function newDatabase(): Database.Database {
  const db = new Database(join(testFolder(), 'orders.db'));
  onTestFinished(() => void db.close());
  return db;
}

function ledgerIdOf(db: Database.Database): unknown {
  return db.prepare('SELECT ledger_id FROM ledger').pluck().get();
}

it('P9: a ledger keeps its ledger_id when it is migrated again, and another ledger has a different one', () => {
  const [one, other] = [newDatabase(), newDatabase()];
  expect(isEmpty(one)).toBe(true);
  migrate(one);
  migrate(other);
  expect(isEmpty(one)).toBe(false);
  const ledgerId = ledgerIdOf(one);
  expect(ledgerId).toMatch(/^[0-9a-f-]{36}$/);
  migrate(one);
  expect(ledgerIdOf(one)).toBe(ledgerId);
  expect(ledgerIdOf(other)).not.toBe(ledgerId);
});

it('a schema of a newer version is refused and left unchanged', () => {
  const db = newDatabase();
  migrate(db);
  const newer = Number(db.pragma('user_version', { simple: true })) + 1;
  db.pragma(`user_version = ${newer}`);
  expect(() => migrate(db)).toThrow(LedgerRefused);
  expect(() => migrate(db)).toThrow(new RegExp(`orders.db has schema version ${newer}.*use the newer version`));
  expect(db.pragma('user_version', { simple: true })).toBe(newer);
});

it('a database of another program is refused and left unchanged', () => {
  const db = newDatabase();
  db.exec('CREATE TABLE bookmarks (url TEXT)');
  const before = readFileSync(db.name);
  expect(() => openWriteConnection(db.name)).toThrow(LedgerRefused);
  expect(() => openWriteConnection(db.name)).toThrow(/orders.db is a database of another program/);
  expect(readFileSync(db.name).equals(before)).toBe(true);
});

it('a migration that fails leaves nothing behind', () => {
  const db = newDatabase();
  // This name collides with the last table that is created.
  db.exec('CREATE TABLE declared_losses (a)');
  db.pragma(`application_id = ${0x4f52444e}`);
  expect(() => migrate(db)).toThrow(/declared_losses already exists/);
  expect(db.prepare('SELECT name FROM sqlite_schema').pluck().all()).toEqual(['declared_losses']);
  expect(db.pragma('user_version', { simple: true })).toBe(0);
});

it('P5: a key or an order_number can exist in the ledger only once', () => {
  const db = newDatabase();
  migrate(db);
  const insert = db.prepare(
    `INSERT INTO allocations
       (order_id, store_id, order_number, count, request_id, create_time_ms, prefix, suffix, min_digits)
     VALUES (?, 7, ?, 1, ?, 0, '', '', 0)`,
  );
  insert.run(1, 100, 'a');
  expect(() => insert.run(2, 101, 'a')).toThrow(/UNIQUE constraint failed/);
  expect(() => insert.run(2, 100, 'b')).toThrow(/UNIQUE constraint failed/);
  expect(() => insert.run(1, 101, 'b')).toThrow(/UNIQUE constraint failed/);
});
