import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { INT64_MAX } from '../../../../src/core/allocation.ts';
import { checkpoint } from '../../../../src/engines/sqlite/file/checkpoint.ts';
import { openReadConnection, openWriteConnection } from '../../../../src/engines/sqlite/file/connection.ts';
import { migrate } from '../../../../src/engines/sqlite/file/schema.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

function openFor(path: string, open: (path: string) => Database.Database): Database.Database {
  const db = open(path);
  onTestFinished(() => void db.close());
  return db;
}

it('P4: synchronous is FULL in a new database and in a reopened one', () => {
  const path = join(testFolder(), 'orders.db');
  for (let opened = 0; opened < 3; opened++) {
    const db = openWriteConnection(path);
    migrate(db);
    expect(db.pragma('synchronous', { simple: true })).toBe(2n);
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal');
    db.close();
  }
});

it('P4: a database that cannot have a WAL is refused', () => {
  expect(() => openWriteConnection(':memory:')).toThrow(/could not be opened durably/);
});

it('P10: a commit never runs a checkpoint', () => {
  const db = openFor(join(testFolder(), 'orders.db'), openWriteConnection);
  expect(db.pragma('wal_autocheckpoint', { simple: true })).toBe(0n);
});

it('int64 columns are read as they were written', () => {
  const path = join(testFolder(), 'orders.db');
  const writer = openFor(path, openWriteConnection);
  writer.exec('CREATE TABLE t (a INTEGER)');
  const values = [9007199254740993n, INT64_MAX];
  for (const value of values) writer.prepare('INSERT INTO t VALUES (?)').run(value);
  for (const db of [writer, openFor(path, openReadConnection)]) {
    expect(db.prepare('SELECT a FROM t').pluck().all()).toEqual(values);
  }
});

it('P8: a read connection cannot write, and creates no file', () => {
  const path = join(testFolder(), 'orders.db');
  expect(() => openReadConnection(path)).toThrow(expect.objectContaining({ code: 'SQLITE_CANTOPEN' }));
  openFor(path, openWriteConnection).exec('CREATE TABLE t (a)');
  const reader = openFor(path, openReadConnection);
  expect(() => reader.exec('INSERT INTO t VALUES (1)')).toThrow(expect.objectContaining({ code: 'SQLITE_READONLY' }));
});

it('a file that is not a database is refused and left unchanged', () => {
  const path = join(testFolder(), 'orders.db');
  writeFileSync(path, 'orders, orders, orders\n'.repeat(500));
  expect(() => openWriteConnection(path)).toThrow(expect.objectContaining({ code: 'SQLITE_NOTADB' }));
});

it('a checkpoint reports what is in the WAL, what was moved, and whether a reader blocked it', () => {
  const path = join(testFolder(), 'orders.db');
  const writer = openFor(path, openWriteConnection);
  writer.exec('CREATE TABLE t (a)');
  const { walFrames } = checkpoint(writer, 'NOOP');
  expect(walFrames).toBeGreaterThan(0);
  expect(checkpoint(writer, 'NOOP')).toEqual({ busy: false, walFrames, checkpointedFrames: 0 });
  expect(checkpoint(writer, 'PASSIVE')).toEqual({ busy: false, walFrames, checkpointedFrames: walFrames });

  const reader = openFor(path, openReadConnection);
  reader.exec('BEGIN; SELECT * FROM t');
  writer.exec('INSERT INTO t VALUES (1)');
  expect(checkpoint(writer, 'TRUNCATE').busy).toBe(true);
  reader.exec('COMMIT');
  expect(checkpoint(writer, 'TRUNCATE')).toEqual({ busy: false, walFrames: 0, checkpointedFrames: 0 });
});
