import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { NoAnswer } from './failures.ts';

/** How long a request may go without an answer. */
const REQUEST_MS = 3000;

/** What sends requests: the SDK's client, or a simulated table. It repeats none by itself. */
export type TableClient = Pick<DynamoDBClient, 'send'>;

/** Sends requests to a table in one attempt each, with a limit of its own: the SDK's timers do not bound a whole request. */
export function oneAttempt(client: TableClient, table: string): DynamoDBClient['send'] {
  return async (command: never) => {
    const abort = new AbortController();
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new NoAnswer(`${table} did not answer within ${REQUEST_MS} ms`));
      abort.abort();
    }, REQUEST_MS);
    try {
      return await Promise.race([client.send(command, { abortSignal: abort.signal }), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  };
}
