import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import Database from 'better-sqlite3';
import { openWriteConnection } from '../../src/engines/sqlite/file/connection.ts';
import { HighWaterMark } from '../../src/engines/sqlite/file/high-water-mark.ts';
import { locateLedger } from '../../src/engines/sqlite/file/ledger-files.ts';
import { migrate } from '../../src/engines/sqlite/file/schema.ts';
import type { Keys } from './keys.ts';

export interface NewLedger {
  readonly rows: number;
  readonly stores: number;
  /** 'uuidv7' by default. */
  readonly keys?: Keys;
  progress?(line: string): void;
}

const ROWS_PER_STATEMENT = 1_000_000;
/**
 * The share of the rows that is inserted with the indexes in place. CREATE INDEX fills pages completely, so the first
 * inserts after it split them all. In a ledger that has grown, pages of random keys are two thirds full.
 */
const GROWN_SHARE: Readonly<Record<Keys, number>> = { uuidv7: 0.01, uuidv4: 0.3 };

const UUID_V7 = `printf('%08x-%04x-7%03x-%04x-%012x', (:since + i) >> 16, (:since + i) & 0xffff,
                        random() & 0xfff, random() & 0x3fff | 0x8000, random() & 0xffffffffffff)`;
const UUID_V4 = `printf('%08x-%04x-4%03x-%04x-%012x', random() & 0xffffffff, random() & 0xffff,
                        random() & 0xfff, random() & 0x3fff | 0x8000, random() & 0xffffffffffff)`;

/**
 * Writes a ledger as the server would have, but in bulk, and durably only at the end: one row per millisecond until now,
 * with the stores in turn, then the counters and the high-water mark.
 */
export function makeLedger(path: string, { rows, stores, keys = 'uuidv7', progress = () => {} }: NewLedger): void {
  const files = locateLedger(path);
  const db = new Database(files.database);
  db.defaultSafeIntegers(true);
  db.pragma('journal_mode = OFF');
  db.pragma('synchronous = OFF');
  // Room for the whole index of the random keys, because inserts touch all of its pages.
  db.pragma(`cache_size = ${keys === 'uuidv4' && rows > 10_000_000 ? -8_388_608 : -524_288}`);
  migrate(db);
  const since = Date.now() - rows;
  const insert = db.prepare(
    `WITH RECURSIVE n (i) AS (VALUES (:first) UNION ALL SELECT i + 1 FROM n WHERE i < :last)
     INSERT INTO allocations
       (order_id, store_id, order_number, count, request_id, create_time_ms, prefix, suffix, min_digits)
     SELECT i + 1, i % :stores + 1, i / :stores + 100, 1, ${keys === 'uuidv7' ? UUID_V7 : UUID_V4}, :since + i, '', '', 0
     FROM n`,
  );
  const insertRows = (from: number, to: number) => {
    for (let first = from; first < to; first += ROWS_PER_STATEMENT) {
      const last = Math.min(to, first + ROWS_PER_STATEMENT) - 1;
      insert.run({ first: BigInt(first), last: BigInt(last), stores: BigInt(stores), since: BigInt(since) });
      progress(`${last + 1} of ${rows} rows`);
    }
  };
  const indexes = db
    .prepare<[], { name: string; sql: string }>(
      "SELECT name, sql FROM sqlite_schema WHERE tbl_name = 'allocations' AND type = 'index'",
    )
    .all();
  for (const { name } of indexes) db.exec(`DROP INDEX ${name}`);
  const bulk = Math.floor(rows * (1 - GROWN_SHARE[keys]));
  insertRows(0, bulk);
  for (const { name, sql } of indexes) {
    progress(`index ${name}`);
    db.exec(sql);
  }
  insertRows(bulk, rows);
  // Each store's numbers are dense, so they follow from the number of rows.
  db.prepare(
    `WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < min(:stores, :rows))
     INSERT INTO stores (store_id, first_number, last_number, create_time_ms)
     SELECT i + 1, 100, 100 + (:rows - 1 - i) / :stores, :since + i FROM n`,
  ).run({ rows: BigInt(rows), stores: BigInt(stores), since: BigInt(since) });
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

// node bench/ledgers/make-ledger.ts PATH --rows N --stores N --keys uuidv4
if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rows: { type: 'string', default: '100000000' },
      stores: { type: 'string', default: '1000' },
      keys: { type: 'string', default: 'uuidv7' },
    },
  });
  const [path] = positionals;
  if (path === undefined) throw new Error('name the file of the ledger');
  if (values.keys !== 'uuidv7' && values.keys !== 'uuidv4') throw new Error('--keys is uuidv7 or uuidv4');
  // SQLite sorts gigabytes for the indexes. The folder of the ledger has room for them.
  process.env['SQLITE_TMPDIR'] = dirname(path);
  makeLedger(path, {
    rows: Number(values.rows),
    stores: Number(values.stores),
    keys: values.keys,
    progress: (line) => console.log(line),
  });
}
