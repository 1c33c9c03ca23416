import type { AttributeValue, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ScanCommand } from '@aws-sdk/client-dynamodb';
import type { Key } from '../table/item.ts';

/** Attempts of one page, because a table whose items are all read is often throttled. */
export const SCAN_ATTEMPTS = 10;

/** An item of a table as a scan sees it. */
export interface ScannedItem extends Key {
  /** The position of the log entry that it says it was made from; undefined if it says none. */
  readonly log: number | undefined;
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
