import { describe, expect, it } from 'vitest';
import { RequestIds } from '../../src/client/request-ids.ts';

const COUNT = 10_000;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('request ids', () => {
  it('are distinct UUIDs of version 7, with the time of their creation', () => {
    const before = Date.now();
    const ids = new RequestIds();
    const created = Array.from({ length: COUNT }, () => ids.next());
    const after = Date.now();
    expect(new Set(created).size).toBe(COUNT);
    for (const id of created) expect(id).toMatch(UUID_V7);
    const times = created.map((id) => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times[0]).toBeGreaterThanOrEqual(before);
    expect(times.at(-1)).toBeLessThanOrEqual(after);
  });

  it('are random after the time, in each digit', () => {
    const ids = new RequestIds();
    const random = Array.from({ length: COUNT }, () => ids.next().slice(15).replaceAll('-', ''));
    const digits = Array.from({ length: 18 + 1 }, (_, place) => new Set(random.map((id) => id[place])).size);
    // The fourth has two bits.
    expect(digits).toEqual([16, 16, 16, 4, ...Array<number>(15).fill(16)]);
  });
});
