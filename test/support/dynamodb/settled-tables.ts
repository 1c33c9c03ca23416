import type { CreateTableCommandInput, DynamoDBClient, TableStatus } from '@aws-sdk/client-dynamodb';
import {
  CreateTableCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  ResourceNotFoundException,
} from '@aws-sdk/client-dynamodb';
import { vi } from 'vitest';

/** Creates a table and waits until it is active: until then, writes do not find it. */
export async function createTable(client: Pick<DynamoDBClient, 'send'>, table: CreateTableCommandInput): Promise<void> {
  await client.send(new CreateTableCommand(table));
  await becomes('ACTIVE', client, table.TableName!);
}

/** Deletes a table and waits until it is gone: until then, another one of its name cannot be created. */
export async function deleteTable(client: Pick<DynamoDBClient, 'send'>, name: string): Promise<void> {
  await client.send(new DeleteTableCommand({ TableName: name }));
  await becomes('gone', client, name);
}

async function becomes(
  wanted: TableStatus | 'gone',
  client: Pick<DynamoDBClient, 'send'>,
  name: string,
): Promise<void> {
  await vi.waitUntil(async () => (await statusOf(client, name)) === wanted, { timeout: 30_000, interval: 5 });
}

async function statusOf(client: Pick<DynamoDBClient, 'send'>, name: string): Promise<TableStatus | 'gone' | undefined> {
  try {
    const { Table } = await client.send(new DescribeTableCommand({ TableName: name }));
    return Table?.TableStatus;
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return 'gone';
    throw error;
  }
}
