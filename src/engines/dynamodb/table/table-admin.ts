import type { DynamoDBClient, TableDescription } from '@aws-sdk/client-dynamodb';
import { CreateTableCommand, DescribeTableCommand } from '@aws-sdk/client-dynamodb';
import { failureOf } from './failures.ts';
import { TABLE_DEFINITION } from './table-definition.ts';
import type { TableClient } from './one-attempt.ts';
import { oneAttempt } from './one-attempt.ts';

/** The table as a whole. */
export class TableAdmin {
  readonly #send: DynamoDBClient['send'];
  readonly #name: string;

  constructor(client: TableClient, name: string) {
    this.#send = oneAttempt(client, name);
    this.#name = name;
  }

  /** Such as ACTIVE or CREATING; undefined if there is no such table. */
  async status(): Promise<TableDescription['TableStatus']> {
    try {
      const { Table: table } = await this.#send(new DescribeTableCommand({ TableName: this.#name }));
      return table?.TableStatus;
    } catch (error) {
      if (failureOf(error) === 'no table') return undefined;
      throw error;
    }
  }

  /** Creates it, unless another server does at the same time. It is ready some seconds later. */
  async create(): Promise<void> {
    try {
      await this.#send(new CreateTableCommand({ TableName: this.#name, ...TABLE_DEFINITION }));
    } catch (error) {
      if (!(error instanceof Error && error.name === 'ResourceInUseException')) throw error;
    }
  }
}
