import type {
  BatchGetItemInput,
  BatchWriteItemInput,
  CreateTableInput,
  DescribeTableInput,
  GetItemInput,
  PutItemInput,
  QueryInput,
  UpdateItemInput,
} from '@aws-sdk/client-dynamodb';

// Stand in for the SDK's commands, of which the engine only uses that they carry an input: loading the SDK would take each
// thread longer than a hundred seeds.

/** None is ever created: what the engine sends goes through the simulated client. */
export class DynamoDBClient {
  destroy(): void {}
}

export class PutItemCommand {
  readonly input: PutItemInput;
  constructor(input: PutItemInput) {
    this.input = input;
  }
}

export class GetItemCommand {
  readonly input: GetItemInput;
  constructor(input: GetItemInput) {
    this.input = input;
  }
}

export class BatchGetItemCommand {
  readonly input: BatchGetItemInput;
  constructor(input: BatchGetItemInput) {
    this.input = input;
  }
}

export class BatchWriteItemCommand {
  readonly input: BatchWriteItemInput;
  constructor(input: BatchWriteItemInput) {
    this.input = input;
  }
}

export class QueryCommand {
  readonly input: QueryInput;
  constructor(input: QueryInput) {
    this.input = input;
  }
}

export class UpdateItemCommand {
  readonly input: UpdateItemInput;
  constructor(input: UpdateItemInput) {
    this.input = input;
  }
}

export class DescribeTableCommand {
  readonly input: DescribeTableInput;
  constructor(input: DescribeTableInput) {
    this.input = input;
  }
}

export class CreateTableCommand {
  readonly input: CreateTableInput;
  constructor(input: CreateTableInput) {
    this.input = input;
  }
}

/** Any of them. */
export type Command =
  | PutItemCommand
  | GetItemCommand
  | BatchGetItemCommand
  | BatchWriteItemCommand
  | QueryCommand
  | UpdateItemCommand
  | DescribeTableCommand
  | CreateTableCommand;
