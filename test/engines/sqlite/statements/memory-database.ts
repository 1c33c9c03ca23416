import Database from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import { migrate } from '../../../../src/engines/sqlite/file/schema.ts';

/** An empty ledger that never touches a disk: what the statements say, without what makes them durable. */
export function memoryDatabase(onStatement?: (sql: string) => void): Database.Database {
  const db = new Database(':memory:', { verbose: (sql) => onStatement?.(String(sql)) });
  onTestFinished(() => void db.close());
  db.defaultSafeIntegers(true);
  migrate(db);
  return db;
}
