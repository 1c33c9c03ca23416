import type { AttributeValue, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { BackOff } from './back-off.ts';
import { failureOf, mayPass, NoAnswer } from './failures.ts';
import type { Item, Key } from './item.ts';
import { keyText } from './item.ts';
import type { TableClient } from './one-attempt.ts';
import { oneAttempt } from './one-attempt.ts';
import { Slots } from './slots.ts';

/** Keys of one BatchGetItem, and items of one BatchWriteItem, at most. */
const KEYS_PER_READ = 100;
const ITEMS_PER_WRITE = 25;
/** The SDK's client has 50 connections: callers wait for the other requests, and for no BatchWriteItem. */
const WRITES_AT_ONCE = 32;
/**
 * How long a read or an idempotent write is repeated, with pauses that double up to the longest: after that the table is
 * out of reach, which callers and operators have to be told. A table at its limit is worth waiting for.
 */
const REPEAT_MS = 1000;
const THROTTLED_MS = 10_000;
const FIRST_PAUSE_MS = 10;

export type { TableClient };

type Values = Record<string, AttributeValue>;

/** Items of a partition between two places, both inclusive. */
export interface PartitionRange {
  readonly partition: string;
  readonly from?: string;
  readonly to?: string;
  readonly newestFirst?: boolean;
}

/**
 * One table of DynamoDB. All reads are consistent: they see every write that was answered before they began. Reads and
 * idempotent writes are repeated until they are complete, or until it makes no sense any more.
 */
export class Table {
  readonly name: string;
  readonly #send: DynamoDBClient['send'];
  readonly #writes = new Slots(WRITES_AT_ONCE);

  constructor(client: TableClient, name: string) {
    this.#send = oneAttempt(client, name);
    this.name = name;
  }

  /**
   * Writes an item if none has its key, in one attempt. Resolves to undefined if it was written, and to the item that has
   * the key if one has. After a rejection that `failureOf` calls unknown, it may be written yet.
   */
  async putNew(item: Item): Promise<Item | undefined> {
    try {
      await this.#send(
        new PutItemCommand({
          TableName: this.name,
          Item: toValues(item),
          ConditionExpression: 'attribute_not_exists(pk)',
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        }),
      );
      return undefined;
    } catch (error) {
      if (failureOf(error) !== 'taken') throw error;
      const { Item: found } = error as { readonly Item?: Values };
      if (found) return toItem(found);
      const existing = await this.get(item);
      if (existing) return existing;
      throw new NoAnswer(`${item.partition} was taken and is gone again`, { cause: error });
    }
  }

  get(key: Key): Promise<Item | undefined> {
    return this.#repeating(async () => {
      const command = new GetItemCommand({ TableName: this.name, Key: toKey(key), ConsistentRead: true });
      const { Item: found } = await this.#send(command);
      return found && toItem(found);
    });
  }

  /** Those that exist, by {@link keyText}. */
  async getAll(keys: readonly Key[]): Promise<ReadonlyMap<string, Item>> {
    const found = new Map<string, Item>();
    await Promise.all(
      // DynamoDB refuses a read that names an item twice.
      chunksOf([...new Map(keys.map((key) => [keyText(key), key])).values()], KEYS_PER_READ).map(async (chunk) => {
        for (const item of await this.#getChunk(chunk)) found.set(keyText(item), item);
      }),
    );
    return found;
  }

  /**
   * Writes items whose keys are distinct, whatever is there. After a rejection nothing of it is on its way any more, and
   * `onWritten` was told of those that are written. Once the signal is aborted, nothing more is sent.
   */
  async putAll(
    items: readonly Item[],
    onWritten: (some: readonly Item[]) => void = () => {},
    signal?: AbortSignal,
  ): Promise<void> {
    const chunks = chunksOf(items, ITEMS_PER_WRITE);
    const writes = chunks.map((chunk) => this.#putChunk(chunk, signal).then(() => onWritten(chunk)));
    await Promise.allSettled(writes);
    await Promise.all(writes);
  }

  /** The first `limit` items of a range, or all that there are. */
  async list(range: PartitionRange, limit: number): Promise<readonly Item[]> {
    const items: Item[] = [];
    for await (const page of this.pages(range, limit)) {
      items.push(...page);
      if (items.length >= limit) break;
    }
    return items;
  }

  /** All items of a range, in the order of their places, in pages of at most `size` items. */
  async *pages(range: PartitionRange, size: number): AsyncGenerator<readonly Item[]> {
    const { partition, from, to, newestFirst = false } = range;
    // A key condition may have one bound, or both as BETWEEN.
    const place = from === undefined ? 'sk <= :to' : to === undefined ? 'sk >= :from' : 'sk BETWEEN :from AND :to';
    const hasBounds = from !== undefined || to !== undefined;
    const values: Values = { ':pk': { S: partition } };
    if (from !== undefined) values[':from'] = { N: from };
    if (to !== undefined) values[':to'] = { N: to };
    let start: Values | undefined;
    do {
      const command = new QueryCommand({
        TableName: this.name,
        KeyConditionExpression: hasBounds ? `pk = :pk AND ${place}` : 'pk = :pk',
        ExpressionAttributeValues: values,
        ConsistentRead: true,
        ScanIndexForward: !newestFirst,
        Limit: size,
        ExclusiveStartKey: start,
      });
      const page = await this.#repeating(() => this.#send(command));
      yield (page.Items ?? []).map(toItem);
      start = page.LastEvaluatedKey;
    } while (start !== undefined);
  }

  /**
   * Sets a number of an item from one value to another, if it still has the first one; undefined means that it has none.
   * Resolves to the whole item if it did. In one attempt: after a rejection it may have.
   */
  async raise(key: Key, attribute: string, from: bigint | undefined, to: bigint): Promise<Item | undefined> {
    const isFrom = from === undefined ? 'attribute_not_exists(#name)' : '#name = :from';
    try {
      const { Attributes: values = {} } = await this.#send(
        new UpdateItemCommand({
          TableName: this.name,
          Key: toKey(key),
          UpdateExpression: 'SET #name = :to',
          ConditionExpression: isFrom,
          ExpressionAttributeNames: { '#name': attribute },
          ExpressionAttributeValues: {
            ':to': { N: `${to}` },
            ...(from !== undefined && { ':from': { N: `${from}` } }),
          },
          ReturnValues: 'ALL_NEW',
        }),
      );
      return toItem(values);
    } catch (error) {
      if (failureOf(error) === 'taken') return undefined;
      throw error;
    }
  }

  async #getChunk(keys: readonly Key[]): Promise<readonly Item[]> {
    const found: Item[] = [];
    let left: Values[] | undefined = keys.map(toKey);
    await this.#untilDone(async () => {
      const request = { [this.name]: { Keys: left, ConsistentRead: true } };
      const { Responses, UnprocessedKeys } = await this.#send(new BatchGetItemCommand({ RequestItems: request }));
      found.push(...(Responses?.[this.name] ?? []).map(toItem));
      // A key that was not processed is not absent.
      left = UnprocessedKeys?.[this.name]?.Keys;
      return left === undefined || left.length === 0;
    });
    return found;
  }

  async #putChunk(items: readonly Item[], signal: AbortSignal | undefined): Promise<void> {
    let left = items.map((item) => ({ PutRequest: { Item: toValues(item) } }));
    await this.#untilDone(async () => {
      const command = new BatchWriteItemCommand({ RequestItems: { [this.name]: left } });
      const { UnprocessedItems } = await this.#writes.run(() => this.#send(command), signal);
      left = (UnprocessedItems?.[this.name] ?? []) as typeof left;
      return left.length === 0;
    });
  }

  /** Repeats a step that says whether all is done. A step that has done a part of it is worth another one. */
  async #untilDone(step: () => Promise<boolean>): Promise<void> {
    const backOff = new BackOff(FIRST_PAUSE_MS);
    while (!(await this.#repeating(step))) await backOff.pause();
  }

  async #repeating<Result>(request: () => Promise<Result>): Promise<Result> {
    const began = performance.now();
    for (const backOff = new BackOff(FIRST_PAUSE_MS); ; await backOff.pause()) {
      try {
        return await request();
      } catch (error) {
        const repeatMs = failureOf(error) === 'throttled' ? THROTTLED_MS : REPEAT_MS;
        if (!mayPass(error) || performance.now() + backOff.nextMs > began + repeatMs) throw error;
      }
    }
  }
}

function chunksOf<Each>(all: readonly Each[], size: number): Each[][] {
  const chunks: Each[][] = [];
  for (let at = 0; at < all.length; at += size) chunks.push(all.slice(at, at + size));
  return chunks;
}

function toKey({ partition, sort }: Key): Values {
  return { pk: { S: partition }, sk: { N: sort } };
}

function toValues(item: Item): Values {
  const values = toKey(item);
  for (const [name, value] of Object.entries(item.attributes)) {
    values[name] = typeof value === 'bigint' ? { N: String(value) } : { S: value };
  }
  return values;
}

function toItem({ pk, sk, ...values }: Values): Item {
  const attributes: Record<string, string | bigint> = {};
  for (const [name, { S, N }] of Object.entries(values)) {
    if (S !== undefined) attributes[name] = S;
    // Another program wrote it if it is not whole: then it is no number that this engine knows.
    else if (N !== undefined) attributes[name] = /^-?\d+$/.test(N) ? BigInt(N) : N;
  }
  return { partition: pk?.S ?? '', sort: sk?.N ?? '', attributes };
}
