import type { WriteRequest } from '@aws-sdk/client-dynamodb';
import type { Command } from '../loading/commands.ts';
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  CreateTableCommand,
  DescribeTableCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
} from '../loading/commands.ts';
import type { Account } from './account.ts';
import { failure } from './failure.ts';
import type { Kind } from './fates.ts';
import type { Values } from './stored-table.ts';

/** One instant of a table. */
export interface Instant {
  readonly ms: number;
  readonly turn: number;
  /** How old an answer may be that need not be consistent. */
  readonly staleMs: number;
}

const NAME = 'orders';
const MAX_KEYS = 100;
const MAX_ITEMS = 25;

export function kindOf(command: Command): Kind {
  if (command instanceof PutItemCommand) return 'log put';
  if (command instanceof BatchWriteItemCommand) return 'index write';
  if (command instanceof UpdateItemCommand) return 'raise';
  return command instanceof CreateTableCommand || command instanceof DescribeTableCommand ? 'admin' : 'read';
}

/** The keys or items of a batch; undefined for any other command. */
export function entriesOf(command: Command): readonly unknown[] | undefined {
  if (command instanceof BatchGetItemCommand) return command.input.RequestItems![NAME]!.Keys!;
  if (command instanceof BatchWriteItemCommand) return command.input.RequestItems![NAME]!;
  return undefined;
}

/** Does a command at once, as far as `entries` of its batch go. Throws what DynamoDB answers with. */
export function execute(account: Account, command: Command, instant: Instant, entries: readonly unknown[]): unknown {
  if (command instanceof CreateTableCommand) return createTable(account);
  if (command instanceof DescribeTableCommand) return describeTable(account);
  const isWrite = kindOf(command) !== 'read';
  const refused = account.refused(isWrite);
  if (refused) throw refused;
  if (command instanceof PutItemCommand) return putItem(account, command, instant);
  if (command instanceof UpdateItemCommand) return updateItem(account, command, instant);
  if (command instanceof GetItemCommand) {
    const { Key: key, ConsistentRead: isConsistent } = command.input;
    return { Item: account.table.get(key!, asOf(instant, isConsistent)) };
  }
  if (command instanceof QueryCommand) return query(account, command, instant);
  return batch(account, command, instant, entries);
}

function asOf({ ms, staleMs }: Instant, isConsistent: boolean | undefined): number {
  return isConsistent === true ? Infinity : ms - staleMs;
}

function putItem(account: Account, { input }: PutItemCommand, { ms, turn }: Instant): unknown {
  const item = input.Item!;
  const existing = account.table.get(item);
  if (existing && input.ConditionExpression === 'attribute_not_exists(pk)') {
    throw failure('ConditionalCheckFailedException', existing);
  }
  account.table.put(item, ms);
  account.wrote(item, turn, ms);
  return {};
}

function updateItem(account: Account, { input }: UpdateItemCommand, { ms }: Instant): unknown {
  const { Key: key, ExpressionAttributeNames: names, ExpressionAttributeValues: values } = input;
  return { Attributes: account.raise(key!, names!['#name']!, values![':from']?.N, values![':to']!.N!, ms) };
}

function query(account: Account, { input }: QueryCommand, instant: Instant): unknown {
  const { ExpressionAttributeValues: values, ScanIndexForward: isAscending, Limit: limit } = input;
  const { items, isLast } = account.table.query(
    {
      partition: values![':pk']!.S!,
      from: values![':from']?.N,
      to: values![':to']?.N,
      isDescending: isAscending === false,
      limit: limit!,
      after: input.ExclusiveStartKey?.['sk']?.N,
    },
    asOf(instant, input.ConsistentRead),
  );
  const { pk, sk } = items.at(-1) ?? {};
  return { Items: items, LastEvaluatedKey: isLast ? undefined : { pk, sk } };
}

function batch(
  account: Account,
  command: BatchGetItemCommand | BatchWriteItemCommand,
  instant: Instant,
  entries: readonly unknown[],
): unknown {
  const { table } = account;
  if (command instanceof BatchWriteItemCommand) {
    const items = entries.map((entry) => (entry as WriteRequest).PutRequest!.Item!);
    if (items.length > MAX_ITEMS || hasTwice(items)) throw failure('ValidationException');
    for (const item of items) table.put(item, instant.ms);
    return {};
  }
  const keys = entries as readonly Values[];
  if (keys.length > MAX_KEYS || hasTwice(keys)) throw failure('ValidationException');
  const isConsistent = command.input.RequestItems![NAME]!.ConsistentRead;
  const found = keys.map((key) => table.get(key, asOf(instant, isConsistent)));
  return { Responses: { [NAME]: found.filter((item) => item !== undefined) } };
}

function hasTwice(keys: readonly Values[]): boolean {
  return keys.length > 1 && new Set(keys.map(({ pk, sk }) => `${pk!.S} ${sk!.N}`)).size < keys.length;
}

function createTable(account: Account): unknown {
  if (account.refusal === 'denied') throw failure('AccessDeniedException');
  if (account.status !== undefined) throw failure('ResourceInUseException');
  account.status = 'CREATING';
  return {};
}

function describeTable({ refusal, status }: Account): unknown {
  if (refusal === 'denied') throw failure('AccessDeniedException');
  if (status === undefined) throw failure('ResourceNotFoundException');
  return { Table: { TableStatus: status } };
}

/** The answer to a batch of which these entries were left out. */
export function withLeftOut(command: Command, output: unknown, left: readonly unknown[]): unknown {
  if (left.length === 0) return output;
  if (command instanceof BatchWriteItemCommand) return { UnprocessedItems: { [NAME]: left } };
  return { ...(output as object), UnprocessedKeys: { [NAME]: { Keys: left } } };
}

/** The answer to a batch that was done in two parts. */
export function together(command: Command, first: unknown, rest: unknown): unknown {
  if (command instanceof BatchWriteItemCommand) return first;
  const found = [first, rest].flatMap((each) => {
    return (each as { Responses: Record<string, readonly Values[]> }).Responses[NAME]!;
  });
  return { Responses: { [NAME]: found } };
}
