import { LedgerRefused } from '../../../core/errors.ts';
import type { VerifyEvent } from '../../../core/verify/events.ts';
import { verifyLedger } from '../../../core/verify/verify-ledger.ts';
import { newClient } from '../connection/client.ts';
import { parseDynamodbUrl } from '../connection/dynamodb-url.ts';
import { readView } from '../log/opening.ts';
import { explain } from '../table/failures.ts';
import { Table } from '../table/table.ts';
import { DynamodbVerifySource } from '../verify/verify-source.ts';
import { findStrayItems } from './stray-items.ts';
import { requireScan, SCAN_ATTEMPTS } from './table-scan.ts';

/**
 * Verifies the ledger in a table, whether servers run on it or not: what a server verifies, and that the table has no item
 * that the log does not lead to. Writes nothing.
 */
export async function* verifyTable(location: string, storeId: bigint | undefined): AsyncGenerator<VerifyEvent> {
  const url = parseDynamodbUrl(location);
  const client = newClient(url);
  const scanner = newClient(url, SCAN_ATTEMPTS);
  const explained = (error: unknown) => {
    throw error instanceof LedgerRefused ? error : new LedgerRefused(explain(url.name, error), { cause: error });
  };
  try {
    const table = new Table(client, url.table);
    const view = await readView(table, url.name).catch(explained);
    // Only a verification of all searches the table, at its end.
    if (storeId === undefined) await requireScan(scanner, url.table, url.name).catch(explained);
    const findStray = (itemsOf: number[]) =>
      findStrayItems({ client: scanner, table, name: url.name, itemsOf }).catch(explained);
    yield* verifyLedger(new DynamodbVerifySource(table, view, findStray), storeId);
  } finally {
    client.destroy();
    scanner.destroy();
  }
}
