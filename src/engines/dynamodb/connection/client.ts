import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { DynamodbUrl } from './dynamodb-url.ts';

/**
 * The SDK's client, which finds credentials by its own chain: variables, profiles, roles. It sends each request once:
 * this engine knows which ones may be repeated, and when. A client that only reads may have it repeat throttled ones.
 * Throws an Error if there is no region.
 */
export function newClient({ region, endpoint }: DynamodbUrl, maxAttempts = 1): DynamoDBClient {
  return new DynamoDBClient({
    maxAttempts,
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
  });
}
