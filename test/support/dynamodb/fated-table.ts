import { BatchWriteItemCommand, PutItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { newClient } from '../../../src/engines/dynamodb/connection/client.ts';
import { parseDynamodbUrl } from '../../../src/engines/dynamodb/connection/dynamodb-url.ts';
import type { OperatorTable } from '../../../src/engines/dynamodb/operator/move/operator-table.ts';
import { TableAdmin } from '../../../src/engines/dynamodb/table/table-admin.ts';
import { Table } from '../../../src/engines/dynamodb/table/table.ts';

const WRITES = [PutItemCommand, BatchWriteItemCommand, UpdateItemCommand];

/** What becomes of a command, or of its requests. */
export interface Fate {
  /** After so many writes nothing arrives any more, and no answer comes back, as if the process had been killed. */
  readonly killedAfter?: number;
  /** The first answer to each write is lost. */
  readonly losesAnswers?: boolean;
}

/** The table at this URL, for a command that has this fate. */
export function fatedTable(location: string, { killedAfter = Infinity, losesAnswers = false }: Fate): OperatorTable {
  const url = parseDynamodbUrl(location);
  const client = newClient(url);
  const repeated = new Set<string>();
  let writes = 0;
  const send = async (command: { readonly input: unknown }, options: unknown): Promise<unknown> => {
    if (writes >= killedAfter) throw killed();
    const answer = await client.send(command as never, options as never);
    if (!WRITES.some((each) => command instanceof each)) return answer;
    if (++writes >= killedAfter) throw killed();
    const text = JSON.stringify(command.input);
    if (!losesAnswers || repeated.has(text)) return answer;
    repeated.add(text);
    throw new Error('the answer was lost');
  };
  return {
    table: new Table({ send: send as never }, url.table),
    admin: new TableAdmin({ send: send as never }, url.table),
    name: url.name,
    identity: async () => `table ${url.table}`,
    close: () => client.destroy(),
  };
}

/** No repetition helps. */
function killed(): Error {
  return Object.assign(new Error('killed'), { name: 'AccessDeniedException' });
}
