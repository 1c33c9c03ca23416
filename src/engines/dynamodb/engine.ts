import type { LedgerObserver } from '../../core/observers.ts';
import type { LedgerSettings, ServedLedger } from '../engine.ts';
import { expectedLedger } from '../engine.ts';
import { newClient } from './connection/client.ts';
import { parseDynamodbUrl } from './connection/dynamodb-url.ts';
import { DynamodbLedger } from './dynamodb-ledger.ts';
import { TableAdmin } from './table/table-admin.ts';
import { Table } from './table/table.ts';

/** Serves the ledger in the DynamoDB table that the settings name. Throws an Error for a URL that cannot be used. */
export async function openLedger(settings: LedgerSettings, observer: LedgerObserver): Promise<ServedLedger> {
  const url = parseDynamodbUrl(settings.ledger);
  const client = newClient(url);
  const place = {
    table: new Table(client, url.table),
    admin: new TableAdmin(client, url.table),
    name: url.name,
    expected: expectedLedger(settings),
  };
  const ledger = new DynamodbLedger(place, settings.autoCreateStores, observer);
  return {
    ledger,
    name: url.name,
    file: undefined,
    sources: { lastOrderId: () => ledger.lastOrderId, ledgerSizes: async () => undefined },
  };
}
