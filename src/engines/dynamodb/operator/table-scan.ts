import type { AttributeValue, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ScanCommand } from '@aws-sdk/client-dynamodb';
import { LedgerRefused } from '../../../core/errors.ts';
import { failureOf, reasonOf } from '../table/failures.ts';
import type { Key } from '../table/item.ts';

/** Attempts of one page, because a table whose items are all read is often throttled. */
export const SCAN_ATTEMPTS = 10;

/** An item of a table as a scan sees it. */
export interface ScannedItem extends Key {
  /** The position of the log entry that it says it was made from; undefined if it says none. */
  readonly log: number | undefined;
}

/** Rejects with LedgerRefused if the role may not scan the table, so that nothing long is begun in vain. */
export async function requireScan(client: DynamoDBClient, table: string, name: string): Promise<void> {
  try {
    await client.send(new ScanCommand({ TableName: table, Limit: 1 }));
  } catch (error) {
    if (failureOf(error) !== 'denied') throw error;
    throw new LedgerRefused(
      `${name} cannot be searched for items that no log entry leads to (${reasonOf(error)}); give this role the right ` +
        'dynamodb:Scan',
      { cause: error },
    );
  }
}

/** All items of a table, in no order, page by page; each was there when its page was read. */
export async function* scanTable(client: DynamoDBClient, table: string): AsyncGenerator<readonly ScannedItem[]> {
  let start: Record<string, AttributeValue> | undefined;
  do {
    const { Items, LastEvaluatedKey } = await client.send(
      new ScanCommand({
        TableName: table,
        ConsistentRead: true,
        ProjectionExpression: 'pk, sk, #log',
        ExpressionAttributeNames: { '#log': 'log' },
        ExclusiveStartKey: start,
      }),
    );
    yield (Items ?? []).map(toScanned);
    start = LastEvaluatedKey;
  } while (start !== undefined);
}

function toScanned({ pk, sk, log }: Record<string, AttributeValue>): ScannedItem {
  const position = Number(log?.N ?? NaN);
  return { partition: pk?.S ?? '', sort: sk?.N ?? '', log: Number.isSafeInteger(position) ? position : undefined };
}
