import type { AttributeValue, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { BatchWriteItemCommand, DeleteItemCommand, PutItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { parseDynamodbUrl } from '../../../src/engines/dynamodb/connection/dynamodb-url.ts';
import { testClient } from './dynalite.ts';

/** Items of one BatchWriteItem, at most. */
const ITEMS_PER_WRITE = 25;

type Values = Record<string, AttributeValue>;

/** The items of a table, a ledger's or the sample's, as DynamoDB has them, past every server. */
export class RawTable {
  readonly name: string;
  readonly client: DynamoDBClient;

  static async of(url: string): Promise<RawTable> {
    return new RawTable(parseDynamodbUrl(url).table, await testClient());
  }

  private constructor(name: string, client: DynamoDBClient) {
    this.name = name;
    this.client = client;
  }

  /** In the order of their keys. */
  async items(isWanted: (partition: string) => boolean = () => true): Promise<Values[]> {
    const all: Values[] = [];
    let start: Values | undefined;
    do {
      const page = await this.client.send(new ScanCommand({ TableName: this.name, ExclusiveStartKey: start }));
      all.push(...(page.Items ?? []));
      start = page.LastEvaluatedKey;
    } while (start !== undefined);
    const wanted = all.filter(({ pk }) => isWanted(pk?.S ?? ''));
    return wanted.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  }

  async put(item: Values): Promise<void> {
    await this.client.send(new PutItemCommand({ TableName: this.name, Item: item }));
  }

  /** Many items, whatever is there. */
  async putAll(items: readonly Values[]): Promise<void> {
    for (let at = 0; at < items.length; at += ITEMS_PER_WRITE) {
      const puts = items.slice(at, at + ITEMS_PER_WRITE).map((Item) => ({ PutRequest: { Item } }));
      await this.client.send(new BatchWriteItemCommand({ RequestItems: { [this.name]: puts } }));
    }
  }

  async delete({ pk, sk }: Values): Promise<void> {
    await this.client.send(new DeleteItemCommand({ TableName: this.name, Key: { pk: pk!, sk: sk! } }));
  }

  /** Every item whose partition matches, one or more. */
  async deleteAll(partition: RegExp): Promise<void> {
    const items = await this.items((each) => partition.test(each));
    if (items.length === 0) throw new Error(`no item matches ${partition}`);
    for (const item of items) await this.delete(item);
  }

  /** Sets attributes of the items whose partition matches, one or more. */
  async change(partition: RegExp, attributes: Values): Promise<void> {
    const items = await this.items((each) => partition.test(each));
    if (items.length === 0) throw new Error(`no item matches ${partition}`);
    for (const item of items) await this.put({ ...item, ...attributes });
  }
}

function keyOf({ pk, sk, StoreID }: Values): string {
  return StoreID?.N ?? `${pk!.S} ${sk!.N}`;
}
