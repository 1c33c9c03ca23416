import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { BatchWriteItemCommand, PutItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import type { TableClient } from '../../src/engines/dynamodb/table/table.ts';

/** Counts the write units of everything that a client sends, as DynamoDB reports them. */
export class WriteUnits {
  readonly client: TableClient;
  units = 0;

  constructor(client: DynamoDBClient) {
    const send = async (command: never, options: never): Promise<unknown> => {
      const writes = [PutItemCommand, UpdateItemCommand, BatchWriteItemCommand].find((each) => isA(command, each));
      if (!writes) return client.send(command, options);
      (command as PutItemCommand).input.ReturnConsumedCapacity = 'TOTAL';
      const answer = (await client.send(command, options)) as { ConsumedCapacity?: Consumed | readonly Consumed[] };
      for (const { CapacityUnits = 0 } of [answer.ConsumedCapacity ?? []].flat()) this.units += CapacityUnits;
      return answer;
    };
    this.client = { send: send as TableClient['send'] };
  }
}

interface Consumed {
  readonly CapacityUnits?: number;
}

function isA(command: object, type: new (...args: never[]) => object): boolean {
  return command instanceof type;
}
