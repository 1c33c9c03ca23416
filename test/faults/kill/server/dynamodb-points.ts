import { BatchWriteItemCommand, DynamoDBClient, PutItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import type { TablePoint } from './points.ts';
import { passes } from './points.ts';

// Imported by the program that is killed: the SDK's client as it is, but for the points that its writes pass.

type Send = (command: object, ...rest: readonly unknown[]) => Promise<unknown>;

/** The points on both sides of a write; undefined for a read. */
function pointsOf(command: object): readonly [before: TablePoint, after: TablePoint] | undefined {
  if (command instanceof PutItemCommand) return ['before the put of the log', 'after the put of the log'];
  if (command instanceof BatchWriteItemCommand) return ['before derived items', 'after derived items'];
  return command instanceof UpdateItemCommand ? ['before the mark is raised', 'after the mark is raised'] : undefined;
}

const send = DynamoDBClient.prototype.send as Send;

DynamoDBClient.prototype.send = async function (this: DynamoDBClient, command: object, ...rest: readonly unknown[]) {
  const points = pointsOf(command);
  if (points) passes(points[0]);
  const answer = await send.call(this, command, ...rest);
  if (points) passes(points[1]);
  return answer;
} as typeof DynamoDBClient.prototype.send;
