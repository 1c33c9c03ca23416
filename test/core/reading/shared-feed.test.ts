import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { SharedFeed } from '../../../src/core/reading/shared-feed.ts';

/** How often it looks. */
const EVERY_MS = 1;

it('looks for what other servers have committed while somebody listens, also after a failure', async () => {
  const ends = [new Error('out of reach'), { lastOrderId: 7n }, { lastOrderId: 8n }];
  const looksMs: number[] = [];
  const feed = newFeed(async () => {
    looksMs.push(performance.now());
    const end = ends.shift() ?? { lastOrderId: 8n };
    if (end instanceof Error) throw end;
    return end;
  });
  const heard: bigint[] = [];
  const leave = feed.listen((lastOrderId) => void heard.push(lastOrderId));
  await expect.poll(() => heard).toEqual([7n, 8n]);
  // A ledger that is out of reach is left alone for a while.
  expect(looksMs[1]! - looksMs[0]!).toBeGreaterThan(400);
  leave();
  // A timer of the same length that began later ends later: now it no longer looks.
  await delay(EVERY_MS);
  const looks = looksMs.length;
  await delay(EVERY_MS);
  expect(looksMs).toHaveLength(looks);
  // And again for the next one who listens.
  ends.push({ lastOrderId: 9n });
  feed.listen((lastOrderId) => void heard.push(lastOrderId));
  await expect.poll(() => heard).toEqual([7n, 8n, 9n]);
});

it('looks once for all who listen', () => {
  let looks = 0;
  const feed = newFeed(() => {
    looks++;
    return new Promise(() => {});
  });
  for (let i = 0; i < 3; i++) feed.listen(() => {});
  expect(looks).toBe(1);
});

it('keeps no process alive between two looks', async () => {
  const end = Promise.resolve({ lastOrderId: 7n });
  const feed = newFeed(() => end);
  const before = timers();
  feed.listen(() => {});
  // Not a turn of the event loop, so no timer of another has begun.
  for (let i = 0; i < 10; i++) await Promise.resolve();
  expect(feed.lastOrderId).toBe(7n);
  expect(timers()).toBe(before);
});

function newFeed(readEnd: () => Promise<{ readonly lastOrderId: bigint }>): SharedFeed {
  const feed = new SharedFeed(readEnd, EVERY_MS);
  onTestFinished(() => feed.close());
  return feed;
}

function timers(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
}
