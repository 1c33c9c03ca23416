import { closeSync, fsyncSync, openSync } from 'node:fs';
import Database from 'better-sqlite3';
import { openWriteConnection } from '../../src/engines/sqlite/file/connection.ts';
import { HighWaterMark } from '../../src/engines/sqlite/file/high-water-mark.ts';
import { locateLedger } from '../../src/engines/sqlite/file/ledger-files.ts';
import { migrate } from '../../src/engines/sqlite/file/schema.ts';

/**
 * Writes a ledger as the server would have, but with one SQL statement and durably only at the end: stores in turn,
 * request ids in time order like UUIDv7, then the counters and the high-water mark.
 */
export function makeLedger(path: string, { rows, stores }: { readonly rows: number; readonly stores: number }): void {
  const files = locateLedger(path);
  const db = new Database(files.database);
  db.defaultSafeIntegers(true);
  db.pragma('journal_mode = OFF');
  db.pragma('synchronous = OFF');
  db.pragma('cache_size = -262144');
  migrate(db);
  const since = Date.now() - rows;
  db.prepare(
    `WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :rows)
     INSERT INTO allocations
       (order_id, store_id, order_number, count, request_id, create_time_ms, prefix, suffix, min_digits)
     SELECT i + 1, i % :stores + 1, i / :stores + 100, 1,
            printf('%08x-%04x-7%03x-%04x-%012x', (:since + i) >> 16, (:since + i) & 0xffff,
                   random() & 0xfff, random() & 0x3fff | 0x8000, random() & 0xffffffffffff),
            :since + i, '', '', 0
     FROM n`,
  ).run({ rows: BigInt(rows), stores: BigInt(stores), since: BigInt(since) });
  db.exec(
    `INSERT INTO stores (store_id, first_number, last_number, create_time_ms)
     SELECT store_id, 100, max(order_number), min(create_time_ms) FROM allocations GROUP BY store_id`,
  );
  db.prepare('UPDATE ledger SET last_order_id = ?, last_create_time_ms = ?').run(
    BigInt(rows),
    BigInt(since + rows - 1),
  );
  const ledgerId = db.prepare<[], string>('SELECT ledger_id FROM ledger').pluck().get();
  db.close();
  if (ledgerId === undefined) throw new Error('the new ledger has no ledger_id');

  // Syncs it before anything is measured. No connection is open, so closing the file loses no lock.
  const file = openSync(files.database, 'r+');
  fsyncSync(file);
  closeSync(file);
  openWriteConnection(files.database).close();
  new HighWaterMark(files.mark, { ledgerId, lastOrderId: BigInt(rows) }).close();
}
