import type { AttributeValue, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ScanCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { LedgerRefused } from '../../../core/errors.ts';
import type { ImportedCounters } from '../../../core/move/imported-counters.ts';
import { newClient } from '../connection/client.ts';
import { parseDynamodbUrl } from '../connection/dynamodb-url.ts';
import { failureOf, reasonOf, remedyFor } from '../table/failures.ts';

/** Attempts at one request: each is a read, or may be repeated. */
const ATTEMPTS = 10;
/** Counters that are taken over at once. */
const UPDATES = 20;
/** The store id of the counter over all stores. */
const ALL_STORES = 0n;
/** The attribute of a counter that no longer counts: which ledger goes on from it. */
const MOVED_TO = 'MovedTo';

type Values = Readonly<Record<string, AttributeValue>>;

/**
 * The table of the original sample: one item per store, whose id is StoreID, with the last OrderNumber that it was
 * given, and one with StoreID 0 and the last OrderID of all stores. Each order adds 1 to both.
 */
export class SampleTable {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #name: string;
  /** The ledger that goes on, as it is named in the table. */
  readonly #target: string;

  constructor(location: string, target: string) {
    const url = parseDynamodbUrl(location);
    this.#client = newClient(url, ATTEMPTS);
    this.#table = url.table;
    this.#name = url.name;
    this.#target = target;
  }

  /**
   * All items, page by page, with their attributes as an export has them. Throws LedgerRefused if another ledger goes on
   * from them.
   */
  async *pages(): AsyncGenerator<readonly Values[]> {
    let start: Record<string, AttributeValue> | undefined;
    do {
      const page = await this.#explained(() =>
        this.#client.send(new ScanCommand({ TableName: this.#table, ConsistentRead: true, ExclusiveStartKey: start })),
      );
      yield (page.Items ?? []).map((item) => this.#asCounting(item));
      start = page.LastEvaluatedKey;
    } while (start !== undefined);
  }

  /**
   * Takes the right to count from every counter, if it is still as it was read: its number becomes a text, to which
   * nothing can be added, so that an instance of the sample that still runs fails from now on. Repeating it changes
   * nothing. Throws LedgerRefused if the sample has numbered meanwhile.
   */
  async takeOver(counters: ImportedCounters, onProgress: (done: number, all: number) => void): Promise<void> {
    const all = counters.stores.size + 1;
    // The sample adds to this one first: without it, it gives nothing.
    await this.#take(ALL_STORES, 'OrderID', counters.nextOrderId - 1n);
    let done = 1;
    let waiting: Promise<void>[] = [];
    for (const { storeId, nextNumber } of counters.stores) {
      waiting.push(this.#take(storeId, 'OrderNumber', nextNumber - 1n));
      if (waiting.length < UPDATES) continue;
      await Promise.all(waiting);
      onProgress((done += waiting.length), all);
      waiting = [];
    }
    await Promise.all(waiting);
    await this.#requireAllTaken();
  }

  close(): void {
    this.#client.destroy();
  }

  async #take(storeId: bigint, counter: string, last: bigint): Promise<void> {
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: { StoreID: { N: String(storeId) } },
      UpdateExpression: 'SET #counter = :text, #moved = :target',
      ConditionExpression: '#counter = :number OR (#counter = :text AND #moved = :target)',
      ExpressionAttributeNames: { '#counter': counter, '#moved': MOVED_TO },
      ExpressionAttributeValues: {
        ':text': { S: String(last) },
        ':number': { N: String(last) },
        ':target': { S: this.#target },
      },
    });
    try {
      await this.#explained(() => this.#client.send(update));
    } catch (error) {
      if (failureOf(error) === 'taken') throw this.#stillNumbers(storeId);
      throw error;
    }
  }

  /** A call of the sample that was under way may have begun a store in the meantime. */
  async #requireAllTaken(): Promise<void> {
    let start: Record<string, AttributeValue> | undefined;
    do {
      const page = await this.#explained(() =>
        this.#client.send(new ScanCommand({ TableName: this.#table, ConsistentRead: true, ExclusiveStartKey: start })),
      );
      const counting = page.Items?.find((item) => item[MOVED_TO] === undefined);
      if (counting) throw this.#stillNumbers(BigInt(counting['StoreID']?.N ?? 0));
      start = page.LastEvaluatedKey;
    } while (start !== undefined);
  }

  #asCounting(item: Values): Values {
    const movedTo = item[MOVED_TO]?.S;
    if (movedTo === undefined) return item;
    if (movedTo === this.#target) return { ...item, ...asNumbers(item, ['OrderID', 'OrderNumber']) };
    throw new LedgerRefused(
      `nothing was imported: ${this.#name} was already imported into ${movedTo}, and would be numbered twice; use that ` +
        `ledger${this.#target.includes('://') ? ', with the same --ledger' : ''}`,
    );
  }

  #stillNumbers(storeId: bigint): LedgerRefused {
    return new LedgerRefused(
      `nothing was imported: StoreID ${storeId} of ${this.#name} has changed since it was read, so the sample still numbers; ` +
        'stop it, and run the same command again',
    );
  }

  async #explained<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (failureOf(error) === 'taken') throw error;
      const why = failureOf(error) === 'no table' ? 'does not exist' : `cannot be used (${reasonOf(error)})`;
      const text = `nothing was imported: the table ${this.#name} ${why}; ${remedyFor(error)}`;
      throw new LedgerRefused(text, { cause: error });
    }
  }
}

/** Counters that were taken over, as they were before. */
function asNumbers(item: Values, names: readonly string[]): Values {
  return Object.fromEntries(
    names.flatMap((name) => {
      const text = item[name]?.S;
      return text === undefined ? [] : [[name, { N: text }]];
    }),
  );
}
