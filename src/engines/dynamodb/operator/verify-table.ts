import { LedgerRefused } from '../../../core/errors.ts';
import type { VerifyEvent } from '../../../core/verify/events.ts';
import { verifyLedger } from '../../../core/verify/verify-ledger.ts';
import { newClient } from '../connection/client.ts';
import { parseDynamodbUrl } from '../connection/dynamodb-url.ts';
import { readView } from '../log/opening.ts';
import { explain } from '../table/failures.ts';
import { Table } from '../table/table.ts';
import { DynamodbVerifySource } from '../verify/verify-source.ts';

/** Verifies the ledger in a table, whether servers run on it or not. Writes nothing. */
export async function* verifyTable(location: string, storeId: bigint | undefined): AsyncGenerator<VerifyEvent> {
  const url = parseDynamodbUrl(location);
  const client = newClient(url);
  try {
    const table = new Table(client, url.table);
    const view = await readView(table, url.name).catch((error: unknown) => {
      throw error instanceof LedgerRefused ? error : new LedgerRefused(explain(url.name, error), { cause: error });
    });
    yield* verifyLedger(new DynamodbVerifySource(table, view), storeId);
  } finally {
    client.destroy();
  }
}
