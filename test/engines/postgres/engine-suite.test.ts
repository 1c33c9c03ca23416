import { onTestFinished } from 'vitest';
import { PostgresLedger } from '../../../src/engines/postgres/postgres-ledger.ts';
import type { TestLedger } from '../../support/engines/engine-suite.ts';
import { engineSuite } from '../../support/engines/engine-suite.ts';
import type { Counters } from '../../support/engines/ledger-model.ts';
import { newDatabaseWithSchema } from '../../support/postgres/database-with-schema.ts';
import { query } from '../../support/postgres/query.ts';

const QUIET = { opened() {}, waiting() {}, failed() {}, lost() {}, warning() {}, transaction() {} };

engineSuite('PostgreSQL', (autoCreateStores): TestLedger => {
  let url: string | undefined;
  let ledger: PostgresLedger | undefined;
  onTestFinished(() => ledger?.close());
  return {
    async open(counters = {}) {
      await ledger?.close();
      url ??= await newDatabaseWithSchema();
      await setCounters(url, counters);
      ledger = new PostgresLedger(url, { autoCreateStores, readUrl: undefined }, QUIET);
      await ledger.ready();
      return ledger;
    },
  };
});

async function setCounters(url: string, { lastOrderId, lastNumber, lastCreateTimeMs }: Counters): Promise<void> {
  if (lastOrderId !== undefined) await query(url, 'UPDATE order_numbers.ledger SET last_order_id = $1', [lastOrderId]);
  if (lastCreateTimeMs !== undefined) {
    await query(url, 'UPDATE order_numbers.ledger SET last_create_time_ms = $1', [lastCreateTimeMs]);
  }
  if (lastNumber) {
    await query(
      url,
      'INSERT INTO order_numbers.stores (store_id, first_number, last_number, create_time_ms) VALUES ($1, 100, $2, 0)',
      [lastNumber.storeId, lastNumber.lastNumber],
    );
  }
}
