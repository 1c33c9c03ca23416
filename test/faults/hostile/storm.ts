import type { OrderNumbersClient } from '../../../src/client/index.ts';
import { createClient } from '../../../src/client/index.ts';
import type { History } from '../history/history.ts';
import { pairOf } from '../history/pair.ts';

const CALLERS = 1000;
const CONNECTIONS = 10;
const STORE = 3n;

/**
 * One request from 1,000 callers at the same time: each is answered with the same pair, and exactly one of them is told
 * that it is new. Returns a sentence per fault; the history has the calls.
 */
export async function duplicateStorm(address: string, history: History, requestId: string): Promise<readonly string[]> {
  const clients = Array.from({ length: CONNECTIONS }, () =>
    createClient({ address, combine: false, timeoutMs: 60_000 }),
  );
  try {
    const answers = await Promise.all(
      Array.from({ length: CALLERS }, (_, i) => ask(clients[i % CONNECTIONS]!, history, requestId)),
    );
    const fresh = answers.filter((answer) => answer === 'new').length;
    const unanswered = answers.filter((answer) => answer === 'none').length;
    return [
      ...(fresh === 1 ? [] : [`${fresh} of ${CALLERS} copies were told that their pair is new`]),
      ...(unanswered === 0 ? [] : [`${unanswered} of ${CALLERS} copies were not answered`]),
    ];
  } finally {
    for (const client of clients) client.close();
  }
}

async function ask(
  client: OrderNumbersClient,
  history: History,
  requestId: string,
): Promise<'new' | 'replayed' | 'none'> {
  const asked = { storeId: STORE, requestId, count: 1 };
  const call = history.begin('a caller of the storm', asked);
  try {
    const answer = await client.allocate(asked);
    history.answered(call, pairOf(answer), answer.replayed);
    return answer.replayed ? 'replayed' : 'new';
  } catch (error) {
    history.failed(call, error);
    return 'none';
  }
}
