import { expect, it } from 'vitest';
import { SharedFeed } from '../../../src/core/reading/shared-feed.ts';

it('looks for what other servers have committed while somebody listens, also after a failure', async () => {
  const ends = [new Error('out of reach'), { lastOrderId: 7n }, { lastOrderId: 8n }];
  const feed = new SharedFeed(async () => {
    const end = ends.shift() ?? { lastOrderId: 8n };
    if (end instanceof Error) throw end;
    return end;
  }, 1);
  const heard: bigint[] = [];
  const leave = feed.listen((lastOrderId) => void heard.push(lastOrderId));
  await expect.poll(() => heard).toEqual([7n, 8n]);
  leave();
  // And again for the next one who does.
  ends.push({ lastOrderId: 9n });
  feed.listen((lastOrderId) => void heard.push(lastOrderId));
  await expect.poll(() => heard).toEqual([7n, 8n, 9n]);
  feed.close();
});
