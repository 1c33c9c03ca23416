import { randomUUID } from 'node:crypto';
import { createClient } from '../../src/client/index.ts';
import { answerQuestions } from '../processes/program.ts';
import { median } from '../statistics.ts';

/** Orders in the ledger, oldest first, and whether new ones should have random keys. */
export interface ReplayQuestion {
  readonly oldest: readonly { readonly storeId: number; readonly requestId: string }[];
  readonly random: boolean;
}

/** How long a lone order takes, in milliseconds. */
export interface ReplayResult {
  readonly freshP50Ms: number;
  readonly replayP50Ms: number;
}

const [address = ''] = process.argv.slice(2);
const client = createClient({ address });

answerQuestions(async ({ oldest, random }: ReplayQuestion): Promise<ReplayResult> => {
  const fresh: number[] = [];
  const replays: number[] = [];
  for (const { storeId, requestId } of oldest) {
    fresh.push(await timed({ storeId, ...(random && { requestId: randomUUID() }) }, false));
    replays.push(await timed({ storeId, requestId }, true));
  }
  return { freshP50Ms: median(fresh), replayP50Ms: median(replays) };
});

async function timed(order: { storeId: number; requestId?: string }, isReplay: boolean): Promise<number> {
  const began = performance.now();
  const { replayed } = await client.allocate(order);
  const took = performance.now() - began;
  if (replayed !== isReplay)
    throw new Error(`an order of store ${order.storeId} was ${replayed ? '' : 'not '}replayed`);
  return took;
}
