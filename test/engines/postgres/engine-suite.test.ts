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
  const openLedger = async (): Promise<PostgresLedger> => {
    url ??= await newDatabaseWithSchema();
    const opened = new PostgresLedger(url, { autoCreateStores, readUrl: undefined }, QUIET);
    await opened.ready();
    return opened;
  };
  return {
    async open(counters) {
      // There is nothing to set before the tables exist.
      if (counters) ledger ??= await openLedger();
      await ledger?.close();
      if (counters && url !== undefined) await setCounters(url, counters);
      ledger = await openLedger();
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
