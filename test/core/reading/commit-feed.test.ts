import { expect, it } from 'vitest';
import type { Allocation } from '../../../src/core/allocation.ts';
import type { Outcome } from '../../../src/core/ledger.ts';
import { CommitFeed } from '../../../src/core/reading/commit-feed.ts';

it('publishes the new allocations of each batch in order, but no replays and refusals', () => {
  const { feed, heard } = heardFeed();
  feed.committed(2n, [given(1n), given(2n)]);
  feed.committed(3n, [given(1n, true), { refused: new Error() as never }, given(3n)]);
  expect(heard).toEqual(['2: 1 2', '3: 3']);
});

it('publishes each end once: neither replays alone nor a known end move it', () => {
  const { feed, heard } = heardFeed();
  feed.committed(1n, [given(1n)]);
  feed.committed(1n, [given(1n, true)]);
  feed.endsAt(1n);
  feed.listen((_, allocations) => expect(allocations).toEqual([]));
  feed.endsAt(7n);
  feed.committed(5n, [given(5n)]);
  expect(heard).toEqual(['1: 1', '7: ']);
  expect(feed.lastOrderId).toBe(7n);
});

it('knows its end without listeners, and calls none that has unsubscribed', () => {
  const { feed, heard, leave } = heardFeed();
  leave();
  expect(feed.hasListeners).toBe(false);
  feed.committed(4n, [given(4n)]);
  expect(feed.lastOrderId).toBe(4n);
  feed.listen(() => heard.push('another'));
  feed.close();
  feed.endsAt(5n);
  expect(heard).toEqual([]);
});

function heardFeed() {
  const heard: string[] = [];
  const feed = new CommitFeed();
  const leave = feed.listen((lastOrderId, allocations) =>
    heard.push(`${lastOrderId}: ${allocations.map(({ orderId }) => orderId).join(' ')}`),
  );
  return { feed, heard, leave };
}

function given(orderId: bigint, replayed = false): Outcome {
  return { allocation: { orderId } as Allocation, replayed };
}
