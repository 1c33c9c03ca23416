import { copyFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import { HighWaterMark } from '../../../src/engines/sqlite/file/high-water-mark.ts';
import type { LedgerFiles } from '../../../src/engines/sqlite/file/ledger-files.ts';
import { filesOf } from '../../../src/engines/sqlite/file/ledger-files.ts';
import { testFolder } from '../processes/server-process.ts';
import { copyOpenFiles } from './copied-files.ts';
import type { Fill } from './filled-ledger.ts';
import { giveNumbers } from './filled-ledger.ts';

// version-1/orders.db and its mark were written by `serve` of the release with schema version 1, and closed: cart-1 in
// store 1, then another style for that store, cart-2 there, run-1 with 5 numbers in store 2, cart-3 in store 3, and
// cart-4 in store 1. So it ends at order_id 9.
const RELEASED = new URL('version-1/orders.db', import.meta.url).pathname;

/** A row of a version 1 ledger. */
export interface Version1Row {
  readonly order_id: bigint;
  readonly store_id: bigint;
  readonly order_number: bigint;
  readonly count: bigint;
  readonly request_id: string;
  readonly create_time_ms: bigint;
  readonly prefix: string;
  readonly suffix: string;
  readonly min_digits: bigint;
}

/** Puts the ledger that the release left into the folder of this path. */
export function version1Ledger(path = join(testFolder(), 'orders.db')): LedgerFiles {
  const files = filesOf(path);
  copyFileSync(RELEASED, files.database);
  copyFileSync(`${RELEASED}.mark`, files.mark);
  return files;
}

/** The same with more numbers, given as that release would, and closed. */
export function fillVersion1(files: LedgerFiles, ...batch: readonly Fill[]): void {
  const db = new Database(files.database);
  const lastOrderId = giveNumbers(db, batch);
  new HighWaterMark(files.mark, { ledgerId: ledgerIdOf(db), lastOrderId }).close();
  db.close();
}

/** The same as its owner leaves it when it is killed: these numbers are in the -wal file only. */
export function killedVersion1(...batch: readonly Fill[]): LedgerFiles {
  const alive = version1Ledger();
  const db = new Database(alive.database);
  onTestFinished(() => void db.close());
  db.pragma('wal_autocheckpoint = 0');
  const lastOrderId = giveNumbers(db, batch);
  new HighWaterMark(alive.mark, { ledgerId: ledgerIdOf(db), lastOrderId }).close();
  const files = filesOf(join(testFolder(), 'orders.db'));
  copyOpenFiles([alive.database, alive.wal, alive.mark], dirname(files.database));
  return files;
}

/** Reads the file past everything that guards it: its schema version and its rows, as they are. */
export function rowsOf({ database }: Pick<LedgerFiles, 'database'>): {
  readonly version: unknown;
  readonly rows: readonly Version1Row[];
} {
  const db = new Database(database, { readonly: true });
  try {
    const rows = db.prepare<[], Version1Row>('SELECT * FROM allocations ORDER BY order_id').safeIntegers().all();
    return { version: db.pragma('user_version', { simple: true }), rows };
  } finally {
    db.close();
  }
}

function ledgerIdOf(db: Database.Database): string {
  return db.prepare<[], string>('SELECT ledger_id FROM ledger').pluck().get()!;
}
