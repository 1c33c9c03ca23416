import Database from 'better-sqlite3';
import { expect, it, onTestFinished, vi } from 'vitest';
import { migrate } from '../../../../src/engines/sqlite/file/schema.ts';
import { editedMigrations } from '../../../support/ledgers/released-migrations.ts';

it('the migrations of SQLite run as they were released', () => {
  const db = new Database(':memory:');
  onTestFinished(() => void db.close());
  const run = vi.spyOn(db, 'exec');
  migrate(db);
  // Between them it raises the generation.
  const migrations = run.mock.calls.map(([text]) => text).filter((text) => !/^PRAGMA schema_version = \d+$/.test(text));
  expect(db.pragma('user_version', { simple: true })).toBe(migrations.length);
  expect(
    editedMigrations(migrations, [
      'fc6969c7b6d937f5af590acc6cdc4bd0bd31e603328579637db0c80709e6abce',
      '5eb71d5d1c3767b54cba29aa4e2fff90e5c00fa793e736af6c9198b17c7687a5',
    ]),
  ).toEqual([]);
});
