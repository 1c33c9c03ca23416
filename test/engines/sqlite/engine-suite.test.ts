import { join } from 'node:path';
import Database from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import { SqliteLedger } from '../../../src/engines/sqlite/sqlite-ledger.ts';
import type { TestLedger } from '../../support/engines/engine-suite.ts';
import { engineSuite } from '../../support/engines/engine-suite.ts';
import type { Counters } from '../../support/engines/ledger-model.ts';
import { fillLedger } from '../../support/ledgers/filled-ledger.ts';
import { testFolder } from '../../support/processes/server-process.ts';

const QUIET = { opened() {}, waiting() {}, failed() {}, lost() {}, warning() {}, transaction() {} };

engineSuite('SQLite', (autoCreateStores): TestLedger => {
  const path = join(testFolder(), 'orders.db');
  let ledger: SqliteLedger | undefined;
  onTestFinished(() => ledger?.close());
  return {
    async open(counters) {
      await ledger?.close();
      if (counters) {
        // There is nothing to set before the tables exist.
        if (!ledger) fillLedger(path);
        setCounters(path, counters);
      }
      ledger = new SqliteLedger(path, { autoCreateStores }, QUIET);
      await ledger.ready();
      return ledger;
    },
  };
});

function setCounters(path: string, { lastOrderId, lastNumber, lastCreateTimeMs }: Counters): void {
  const db = new Database(path);
  if (lastOrderId !== undefined) db.prepare('UPDATE ledger SET last_order_id = ?').run(lastOrderId);
  if (lastCreateTimeMs !== undefined) db.prepare('UPDATE ledger SET last_create_time_ms = ?').run(lastCreateTimeMs);
  if (lastNumber) {
    db.prepare('INSERT INTO stores (store_id, first_number, last_number, create_time_ms) VALUES (?, 100, ?, 0)').run(
      lastNumber.storeId,
      lastNumber.lastNumber,
    );
  }
  db.close();
}
