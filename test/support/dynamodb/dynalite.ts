import type { Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
// It has no types.
import dynalite from 'dynalite';
import { onTestFinished } from 'vitest';

/** dynalite takes any credentials. */
export const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };

let running: Promise<string> | undefined;

/** The endpoint of a DynamoDB in this process, in memory; all tests of a file share it. */
export function dynamodbEndpoint(): Promise<string> {
  running ??= startDynalite();
  return running;
}

/** The endpoint of another one, whose tables need so long to be deleted. */
export async function startDynalite(deleteTableMs = 0): Promise<string> {
  const server: Server = dynalite({ createTableMs: 0, deleteTableMs, updateTableMs: 0 });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

let tables = 0;

/** The URL of a table that does not exist yet, as --ledger takes it. */
export async function newTableUrl(): Promise<string> {
  Object.assign(process.env, CREDENTIALS);
  const endpoint = await dynamodbEndpoint();
  return `dynamodb://orders-${++tables}?region=eu-central-1&endpoint=${endpoint}`;
}

/** A client of the tests themselves, closed when the test ends. */
export async function testClient(): Promise<DynamoDBClient> {
  const endpoint = await dynamodbEndpoint();
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new DynamoDBClient({ region: 'eu-central-1', endpoint, credentials });
  onTestFinished(() => client.destroy());
  return client;
}
