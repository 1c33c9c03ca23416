import Database from 'better-sqlite3';
import type { LedgerFiles } from '../../../src/engines/sqlite/file/ledger-files.ts';
import { locateLedger } from '../../../src/engines/sqlite/file/ledger-files.ts';
import { openLedger } from '../../../src/engines/sqlite/recovery/open-ledger.ts';

/** An allocation to add: `count` numbers, one by default. */
export interface Fill {
  readonly storeId: bigint;
  readonly requestId: string;
  readonly count?: number;
}

/** `count` single numbers for the stores 1 to `stores` in turn, with request_ids that no other call made. */
export function fills(count: number, { stores = 3, name = 'r' } = {}): Fill[] {
  return Array.from({ length: count }, (_, i) => ({ storeId: BigInt(1 + (i % stores)), requestId: `${name}-${i}` }));
}

/** Allocates these numbers in the ledger at `path`, created if missing, and closes it: nothing stays in the WAL. */
export function fillLedger(path: string, ...batch: readonly Fill[]): LedgerFiles {
  const files = locateLedger(path);
  const ledger = openLedger(files);
  if (!ledger) throw new Error(`${path} is busy`);
  const lastOrderId = giveNumbers(ledger.db, batch);
  ledger.mark.write({ ledgerId: ledger.ledgerId, lastOrderId });
  ledger.mark.close();
  ledger.db.close();
  return files;
}

/** One transaction that gives these numbers as the server would; returns the last order_id. */
export function giveNumbers(db: Database.Database, batch: readonly Fill[]): bigint {
  const prepare = (sql: string) => db.prepare(sql).safeIntegers();
  const create = prepare(
    'INSERT INTO stores (store_id, first_number, last_number, create_time_ms) VALUES (?, 100, 99, 0) ON CONFLICT DO NOTHING',
  );
  const lastNumberOf = prepare('SELECT last_number FROM stores WHERE store_id = ?').pluck();
  const insert = prepare(
    `INSERT INTO allocations
       (order_id, store_id, order_number, count, request_id, create_time_ms, prefix, suffix, min_digits)
     VALUES (?, ?, ?, ?, ?, ?, '', '', 0)`,
  );
  const ledgerNow = prepare('SELECT last_order_id, max(last_create_time_ms, 1000) FROM ledger').raw();
  const moveStore = prepare('UPDATE stores SET last_number = ? WHERE store_id = ?');
  const moveLedger = prepare('UPDATE ledger SET last_order_id = ?, last_create_time_ms = ?');
  return db
    .transaction(() => {
      let [lastOrderId, createTimeMs] = ledgerNow.get() as [bigint, bigint];
      const lastNumbers = new Map<bigint, bigint>();
      for (const { storeId, requestId, count = 1 } of batch) {
        if (!lastNumbers.has(storeId)) create.run(storeId);
        const lastNumber = lastNumbers.get(storeId) ?? (lastNumberOf.get(storeId) as bigint);
        // A number would come as a REAL, which has only 53 bits.
        insert.run(lastOrderId + 1n, storeId, lastNumber + 1n, BigInt(count), requestId, createTimeMs);
        lastOrderId += BigInt(count);
        lastNumbers.set(storeId, lastNumber + BigInt(count));
      }
      for (const [storeId, lastNumber] of lastNumbers) moveStore.run(lastNumber, storeId);
      if (batch.length > 0) moveLedger.run(lastOrderId, createTimeMs);
      return lastOrderId;
    })
    .immediate();
}

/** Gives every other allocation of a closed ledger a caller of its own. */
export function nameCallers(path: string): void {
  tamper(path, "UPDATE allocations SET caller = 'caller ' || order_id WHERE order_id % 2 = 0");
}

/** Changes a ledger's file past everything that guards it. */
export function tamper(path: string, sql: string): void {
  const db = new Database(path);
  db.exec(sql);
  db.close();
}
