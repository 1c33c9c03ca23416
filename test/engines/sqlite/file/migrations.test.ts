import Database from 'better-sqlite3';
import { expect, it, onTestFinished, vi } from 'vitest';
import { migrate } from '../../../../src/engines/sqlite/file/schema.ts';
import { editedMigrations } from '../../../support/ledgers/released-migrations.ts';

it('the migrations of SQLite run as they were released', () => {
  const db = new Database(':memory:');
  onTestFinished(() => void db.close());
  const run = vi.spyOn(db, 'exec');
  migrate(db);
  const migrations = run.mock.calls.map(([text]) => text);
  expect(db.pragma('user_version', { simple: true })).toBe(migrations.length);
  expect(editedMigrations(migrations, ['fc6969c7b6d937f5af590acc6cdc4bd0bd31e603328579637db0c80709e6abce'])).toEqual(
    [],
  );
});
