import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { ListName, PageRange } from '../../../src/core/reading/paging.ts';
import { pageSize, readPage } from '../../../src/core/reading/paging.ts';

const NAME: ListName = ['ListStores', '', 'ledger-1'];
const ALL = { after: 0n, end: 5n };

/** A list of the numbers above `after`, up to `end`. */
function numbers(limit = 2, name = NAME, whole: PageRange = ALL) {
  const ranges: PageRange[] = [];
  const list = {
    name,
    whole,
    limit,
    read: async (range: PageRange) => {
      ranges.push(range);
      const { after, end } = range;
      const left = Math.max(0, Math.min(limit, Number(end - after)));
      return Array.from({ length: left }, (_, i) => after + BigInt(i + 1));
    },
    restOf: ({ end }: PageRange, item: bigint) => ({ after: item, end }),
  };
  return { list, ranges };
}

describe('pages of a list', () => {
  it('lead from one to the next, up to the end that the first one saw', async () => {
    const { list, ranges } = numbers();
    const first = await readPage(list, '');
    expect(first.items).toEqual([1n, 2n]);
    // The list has grown meanwhile.
    const second = await readPage(numbers(2, NAME, { after: 0n, end: 9n }).list, first.nextPageToken);
    expect(second.items).toEqual([3n, 4n]);
    const third = await readPage(list, second.nextPageToken);
    expect(third).toEqual({ items: [5n], nextPageToken: '' });
    expect(ranges).toEqual([ALL, { after: 4n, end: 5n }]);
  });

  it('end with a full one if nothing is left', async () => {
    expect(await readPage(numbers(5).list, '')).toEqual({ items: [1n, 2n, 3n, 4n, 5n], nextPageToken: '' });
    const { list } = numbers(4);
    expect((await readPage(list, '')).nextPageToken).not.toBe('');
    const empty = numbers(2, NAME, { after: 0n, end: 0n });
    expect(await readPage(empty.list, '')).toEqual({ items: [], nextPageToken: '' });
  });

  it('end with one that is not full, whatever is left of their range', async () => {
    const { list } = numbers();
    expect(await readPage({ ...list, read: async () => [1n] }, '')).toEqual({ items: [1n], nextPageToken: '' });
    expect(await readPage({ ...list, read: async () => [] }, '')).toEqual({ items: [], nextPageToken: '' });
  });

  it('have tokens that are the same on every server, and whose form stays', async () => {
    const { nextPageToken } = await readPage(numbers().list, '');
    expect(nextPageToken).toBe(tokenOf(1, NAME, { after: 2n, end: 5n }));
  });
});

describe('a token', () => {
  it.each<[name: string, token: string]>([
    ['of another list', tokenOf(1, ['ListAllocations', '', 'ledger-1'], { after: 2n, end: 5n })],
    ['of another filter', tokenOf(1, ['ListStores', '7', 'ledger-1'], { after: 2n, end: 5n })],
    ['of another ledger', tokenOf(1, ['ListStores', '', 'ledger-2'], { after: 2n, end: 5n })],
    ['of another version', tokenOf(2, NAME, { after: 2n, end: 5n })],
    ['below the first', tokenOf(1, NAME, { after: -1n, end: 5n })],
    ['that is cut off', tokenOf(1, NAME, { after: 2n, end: 5n }).slice(0, -4)],
    ['that goes on', `${tokenOf(1, NAME, { after: 2n, end: 5n })}AAAA`],
    ['in another encoding', Buffer.from(tokenOf(1, NAME, { after: 2n, end: 5n }), 'base64url').toString('base64')],
    ['with a changed end', changed(tokenOf(1, NAME, { after: 2n, end: 5n }), 16)],
    ['with a changed position', changed(tokenOf(1, NAME, { after: 2n, end: 5n }), 24)],
    ['that is none', 'x'],
  ])('P6: %s is refused and named', async (_, token) => {
    const { list, ranges } = numbers();
    await expect(readPage(list, token)).rejects.toMatchObject({
      reason: 'PAGE_TOKEN_INVALID',
      fields: { page_token: token },
    });
    expect(ranges).toEqual([]);
  });

  it('of the first position and of the last end is good', async () => {
    const { list, ranges } = numbers();
    const range = { after: 0n, end: 2n ** 63n - 1n };
    await readPage(list, tokenOf(1, NAME, range));
    expect(ranges).toEqual([range]);
  });
});

describe('page_size', () => {
  it('P6: is 1 to 1000, and 0 is the default', () => {
    expect([0, 1, 999, 1000].map(pageSize)).toEqual([100, 1, 999, 1000]);
  });

  it.each([-1, 1001])('P6: %d is refused and named', (asked) => {
    expect(() => pageSize(asked)).toThrow(
      expect.objectContaining({ reason: 'PAGE_SIZE_INVALID', fields: { page_size: String(asked) } }),
    );
  });
});

/** Version, eight bytes of a hash, the end and the position. */
function tokenOf(version: number, name: ListName, { after, end }: PageRange): string {
  const numbersOfIt = Buffer.alloc(16);
  numbersOfIt.writeBigInt64BE(end, 0);
  numbersOfIt.writeBigInt64BE(after, 8);
  const hash = createHash('sha256').update(JSON.stringify([...name, numbersOfIt.toString('hex')]));
  return Buffer.concat([Buffer.from([version]), hash.digest().subarray(0, 8), numbersOfIt]).toString('base64url');
}

/** The same token with another byte at this place. */
function changed(token: string, place: number): string {
  const bytes = Buffer.from(token, 'base64url');
  bytes[place]! ^= 1;
  return bytes.toString('base64url');
}
