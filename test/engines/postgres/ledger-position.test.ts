import { describe, expect, it } from 'vitest';
import type { LedgerPoint } from '../../../src/engines/postgres/ledger-position.ts';
import { LedgerPosition, WentBack } from '../../../src/engines/postgres/ledger-position.ts';

const SERVER = 'PostgreSQL on db:5432';

describe('P9: a position advances', () => {
  const here = point(7, 20, 2);

  it.each([
    ['with new numbers', point(8, 21, 2)],
    ['with a write that gave none', point(7, 21, 2)],
    ['with a promotion, which may lose writes that gave no number', point(7, 5, 3)],
  ])('%s', (_, next) => {
    const position = positionAt(here);
    position.advance(SERVER, next);
    expect(position).toMatchObject({ lastOrderId: next.lastOrderId, timeline: next.timeline });
  });

  it.each([
    ['to fewer numbers', point(6, 21, 2)],
    ['to fewer numbers of a new timeline', point(6, 30, 3)],
    ['to a version that was there before', point(7, 20, 2)],
    ['to more numbers of an earlier version', point(9, 19, 2)],
    ['to an old timeline', point(9, 30, 1)],
  ])('and not %s', (_, next) => {
    const position = positionAt(here);
    expect(() => position.advance(SERVER, next)).toThrow(WentBack);
    expect(position).toMatchObject({ lastOrderId: 7n, timeline: 2 });
  });

  it('and names the server on which the ledger went back', () => {
    expect(() => positionAt(here).advance(SERVER, point(6, 21, 2))).toThrow(
      /^PostgreSQL on db:5432 ends at order_id 6, but 7 was already given: this is an older copy/,
    );
  });
});

describe('P4: what a reader saw', () => {
  it('is covered at once if it was confirmed before', async () => {
    const position = positionAt(point(7, 20, 2), async () => expect.unreachable());
    expect(await position.covers({ lastOrderId: 7n, timeline: 2 }, 1000)).toBe(true);
    expect(await position.covers({ version: 20n, timeline: 2 }, 1000)).toBe(true);
  });

  it('is covered as soon as writes confirm it', async () => {
    const points = [point(8, 21, 2), point(9, 22, 2)];
    const position = positionAt(point(7, 20, 2), async () => position.advance(SERVER, points.shift()!));
    expect(await position.covers({ lastOrderId: 9n, timeline: 2 }, 1000)).toBe(true);
    expect(points).toEqual([]);
  });

  it('is not covered if the write fails, or takes too long', async () => {
    let writes = 0;
    const failing = positionAt(point(7, 20, 2), () => Promise.reject(new Error(`no primary for write ${++writes}`)));
    expect(await failing.covers({ lastOrderId: 8n, timeline: 2 }, 100)).toBe(false);
    expect(writes).toBe(1);
    const stalled = positionAt(point(7, 20, 2), () => new Promise(() => {}));
    expect(await stalled.covers({ lastOrderId: 8n, timeline: 2 }, 10)).toBe(false);
  });

  it('is not covered if it was seen on another timeline, whichever is newer', async () => {
    let version = 20;
    const position = positionAt(point(7, version, 2), async () => position.advance(SERVER, point(7, ++version, 2)));
    expect(await position.covers({ lastOrderId: 7n, timeline: 1 }, 100)).toBe(false);
    expect(version).toBe(20);
    // Only a write tells whether the primary was promoted meanwhile.
    expect(await position.covers({ lastOrderId: 7n, timeline: 3 }, 100)).toBe(false);
    expect(version).toBe(21);
  });
});

function point(lastOrderId: number, version: number, timeline: number): LedgerPoint {
  return { lastOrderId: BigInt(lastOrderId), version: BigInt(version), timeline };
}

function positionAt(start: LedgerPoint, confirm: () => Promise<unknown> = async () => {}): LedgerPosition {
  const position = new LedgerPosition(confirm);
  position.advance(SERVER, start);
  return position;
}
