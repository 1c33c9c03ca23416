import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { isSignatureRefused, NoAnswer } from './failures.ts';

/** How long a request may go without an answer. */
const REQUEST_MS = 3000;

/** What sends requests: the SDK's client, or a simulated table. It repeats none by itself. */
export type TableClient = Pick<DynamoDBClient, 'send'>;

/**
 * Sends requests to a table in one attempt each, with a limit of its own: the SDK's timers do not bound a whole request. One
 * whose signature is refused was not done, and is sent once more, because this machine's clock may be wrong: the SDK has the
 * time of AWS by then.
 */
export function oneAttempt(client: TableClient, table: string): DynamoDBClient['send'] {
  return async (command: never) => {
    const abort = new AbortController();
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new NoAnswer(`${table} did not answer within ${REQUEST_MS} ms`));
      abort.abort();
    }, REQUEST_MS);
    try {
      const send = () => client.send(command, { abortSignal: abort.signal });
      const answer = send().catch((error: unknown) => {
        if (isSignatureRefused(error)) return send();
        throw error;
      });
      return await Promise.race([answer, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  };
}
