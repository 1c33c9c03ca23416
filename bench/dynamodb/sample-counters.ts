import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { CreateTableCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';

const TABLE = 'sample-counters';

/**
 * The two updates of the serverless sample, one after the other: the counter of all orders, which every order updates, and
 * that of its store. A failure between them leaves a hole, and a retry numbers the order again.
 */
export class SampleCounters {
  readonly #client: DynamoDBClient;

  private constructor(client: DynamoDBClient) {
    this.#client = client;
  }

  static async create(client: DynamoDBClient): Promise<SampleCounters> {
    await client.send(
      new CreateTableCommand({
        TableName: TABLE,
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
        BillingMode: 'PAY_PER_REQUEST',
      }),
    );
    return new SampleCounters(client);
  }

  async number(storeId: bigint): Promise<void> {
    await this.#add('orders');
    await this.#add(`store ${storeId}`);
  }

  async #add(id: string): Promise<void> {
    await this.#client.send(
      new UpdateItemCommand({
        TableName: TABLE,
        Key: { id: { S: id } },
        UpdateExpression: 'ADD lastNumber :one',
        ExpressionAttributeValues: { ':one': { N: '1' } },
        ReturnValues: 'UPDATED_NEW',
      }),
    );
  }
}
