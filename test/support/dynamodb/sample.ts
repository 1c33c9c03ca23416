import type { AttributeValue, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { parseDynamodbUrl } from '../../../src/engines/dynamodb/connection/dynamodb-url.ts';
import { createTable } from './settled-tables.ts';
import { newTableUrl, testClient } from './dynalite.ts';
import { RawTable } from './raw-table.ts';

/** The counter over all stores, and where a store begins. */
const ALL_STORES = 0n;
const FIRST_NUMBER = 100;

/** The original sample as far as numbers go: two updates an order. */
export class Sample {
  /** Its table, as --dynamodb takes it. */
  readonly url: string;
  readonly table: RawTable;
  readonly #client: DynamoDBClient;

  /** With a table of its own, in which nothing was numbered. */
  static async create(): Promise<Sample> {
    const url = await newTableUrl();
    const client = await testClient();
    await createTable(client, {
      TableName: parseDynamodbUrl(url).table,
      AttributeDefinitions: [{ AttributeName: 'StoreID', AttributeType: 'N' }],
      KeySchema: [{ AttributeName: 'StoreID', KeyType: 'HASH' }],
      BillingMode: 'PAY_PER_REQUEST',
    });
    return new Sample(url, await RawTable.of(url), client);
  }

  private constructor(url: string, table: RawTable, client: DynamoDBClient) {
    this.url = url;
    this.table = table;
    this.#client = client;
  }

  async order(storeId: bigint): Promise<readonly [orderId: bigint, orderNumber: bigint]> {
    const orderId = await this.addToAll();
    return [orderId, await this.addToStore(storeId, orderId)];
  }

  /** The first update of an order. */
  async addToAll(): Promise<bigint> {
    const { OrderID } = await this.#update(ALL_STORES, 'ADD OrderID :one', { ':one': { N: '1' } });
    return BigInt(OrderID!.N!);
  }

  /** The second one. */
  async addToStore(storeId: bigint, orderId: bigint): Promise<bigint> {
    const update = 'SET OrderID = :id, OrderNumber = if_not_exists(OrderNumber, :before) + :one';
    const values = { ':id': { N: `${orderId}` }, ':one': { N: '1' }, ':before': { N: `${FIRST_NUMBER - 1}` } };
    const { OrderNumber } = await this.#update(storeId, update, values);
    return BigInt(OrderNumber!.N!);
  }

  /** The second one, as ADD. */
  async addOne(storeId: bigint): Promise<void> {
    await this.#update(storeId, 'ADD OrderNumber :one', { ':one': { N: '1' } });
  }

  async #update(storeId: bigint, update: string, values: Record<string, AttributeValue>) {
    const { Attributes = {} } = await this.#client.send(
      new UpdateItemCommand({
        TableName: this.table.name,
        Key: { StoreID: { N: String(storeId) } },
        UpdateExpression: update,
        ExpressionAttributeValues: values,
        ReturnValues: 'ALL_NEW',
      }),
    );
    return Attributes;
  }
}
