import { LedgerRefused, OrderError } from '../../../../core/errors.ts';
import { newClient } from '../../connection/client.ts';
import { parseDynamodbUrl } from '../../connection/dynamodb-url.ts';
import { explain, failureOf } from '../../table/failures.ts';
import { TableAdmin } from '../../table/table-admin.ts';
import { Table } from '../../table/table.ts';

/** A table that an operator's command uses. */
export interface OperatorTable {
  readonly table: Table;
  readonly admin: TableAdmin;
  /** Without secrets. */
  readonly name: string;
  /** Another account may have a table of the same name there, but then with another ledger. */
  readonly identity: () => Promise<string>;
  close(): void;
}

/** Throws an Error for a URL that cannot be used. */
export function openTable(location: string): OperatorTable {
  const url = parseDynamodbUrl(location);
  const client = newClient(url);
  return {
    table: new Table(client, url.table),
    admin: new TableAdmin(client, url.table),
    name: url.name,
    identity: async () => `table ${url.table} in ${await client.config.region()}`,
    close: () => client.destroy(),
  };
}

/** Runs `work`. Rejects with one sentence that names the table; with a LedgerRefused if a repetition would not help. */
export async function explained<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof LedgerRefused || error instanceof OrderError) throw error;
    const message = explain(name, error);
    const failure = failureOf(error);
    const isFinal = failure === 'denied' || failure === 'refused' || failure === 'no table';
    throw isFinal ? new LedgerRefused(message, { cause: error }) : new Error(message, { cause: error });
  }
}
