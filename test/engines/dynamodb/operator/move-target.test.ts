import { describe, expect, it } from 'vitest';
import { newTableUrl } from '../../../support/dynamodb/dynalite.ts';
import { logOf } from '../../../support/ledgers/moved-table.ts';
import {
  COUNTERS,
  FIRST,
  LOSSES,
  MOVING_IN,
  ROWS,
  STORES,
  TIME,
  expectWhole,
  fullSides,
  isThrough,
  moveIn,
  moveOut,
  rows,
  targetFor,
  whyNotServed,
} from './table-moves.ts';

describe('a move into a table', () => {
  it('P1 P2 P8: that is killed after every other write is continued, and before the seal nobody numbers there', async () => {
    const whyNot: (string | undefined)[] = [];
    for (let killedAfter = 1; ; killedAfter += 2) {
      const url = await newTableUrl();
      const sides = fullSides();
      const isDone = await isThrough(moveIn(sides, url, { killedAfter }));
      const why = await whyNotServed(url);
      whyNot.push(sides.source.isSealed ? 'sealed' : why);
      // Continues, and compares and verifies everything itself.
      await moveIn(sides, url);
      const log = await logOf(url);
      expect(log.flatMap(({ allocations }) => allocations)).toHaveLength(ROWS.length);
      expect(log.filter(({ isMoving }) => !isMoving)).toEqual([log.at(-1)]);
      if (isDone) break;
    }
    expect(whyNot.length).toBeGreaterThan(8);
    const beforeTheSeal = whyNot.filter((why) => why !== 'sealed');
    expect(new Set(beforeTheSeal)).toEqual(new Set([MOVING_IN]));
    expect(whyNot.slice(beforeTheSeal.length)).toContain('sealed');
  });

  it('P7: whose answers are lost writes nothing twice', async () => {
    const url = await newTableUrl();
    const sides = fullSides();
    const lossy = moveIn(sides, url, { losesAnswers: true });
    await expect(lossy).resolves.toMatchObject({ wasDone: false, rows: 8n, stores: 3n });
    await expectWhole(url, sides);
    expect(await moveIn(sides, url)).toMatchObject({ wasDone: true });
  });

  it('P2: that was interrupted takes what the source has changed since then', async () => {
    const url = await newTableUrl();
    const sides = fullSides();
    const { source } = sides;
    source.seal = async () => {
      throw new Error('the disk is full');
    };
    await expect(moveIn(sides, url)).rejects.toThrow(
      /the disk is full; nothing was moved, and FILE can still be served/,
    );
    const [changed, used, unused] = STORES;
    source.stores = [
      changed!,
      { ...used!, lastNumber: 20n, prefix: 'B' },
      { ...unused!, firstNumber: 9n, lastNumber: 11n },
    ];
    source.allocations.push({
      ...rows()[0]!,
      orderId: FIRST + 1012n,
      storeId: 8n,
      orderNumber: 20n,
      requestId: 'late',
      createTimeMs: TIME + 8000,
    });
    source.losses = [...LOSSES, { storeId: unused!.storeId, first: 9n, last: 11n, declareTimeMs: 5n }];
    source.counters = async () => ({ ...COUNTERS, lastOrderId: FIRST + 1012n });
    source.seal = async () => void (source.isSealed = true);
    await expect(moveIn(sides, url)).resolves.toMatchObject({ wasDone: false });
    await expectWhole(url, sides);
  });

  it('P8: beside another one fails, and leaves a whole ledger to that one', async () => {
    const url = await newTableUrl();
    const [one, other] = [fullSides(), fullSides()];
    const { allocationsAfter } = one.source;
    // The other one overtakes it after its claim.
    one.source.allocationsAfter = async (...range) => {
      one.source.allocationsAfter = allocationsAfter;
      await moveIn(other, url);
      return allocationsAfter.apply(one.source, range);
    };
    await expect(moveIn(one, url)).rejects.toThrow(
      /another order-numbers command is writing dynamodb:.*nothing was moved/,
    );
    await expectWhole(url, other);
    // Its file is a copy of one that was moved.
    await expect(moveIn(one, url)).rejects.toThrow(/already serves this ledger, but FILE is not sealed/);
  });

  it.each<[string, (url: string) => Promise<unknown>, RegExp]>([
    [
      'the unfinished copy of another ledger',
      (url) => {
        const sides = fullSides();
        sides.source.counters = async () => ({ ...COUNTERS, ledgerId: 'another' });
        return moveIn(sides, url, { killedAfter: 3 }).catch(() => {});
      },
      /has the unfinished copy of another ledger, another; finish that, or use another table; nothing was moved/,
    ],
    [
      'a ledger of its own',
      async (url) => {
        const sides = fullSides();
        sides.source.counters = sides.target.contents.counters = async () => ({ ...COUNTERS, ledgerId: 'another' });
        await moveIn(sides, url);
      },
      /already has a ledger of its own \(another, last order_id 9007199254742000\).*nothing was moved/,
    ],
    [
      'the ledger itself, which has gone elsewhere',
      async (url) => {
        await moveIn(fullSides(), url);
        await moveOut(targetFor(), url);
      },
      /the ledger of dynamodb:.* has moved to COPY; serve that one/,
    ],
  ])('P8: that has %s is refused', async (_, prepare, refusal) => {
    const url = await newTableUrl();
    await prepare(url);
    await expect(moveIn(fullSides(), url)).rejects.toThrow(refusal);
  });

  it('P9: which was replaced by an empty one after the seal is refused', async () => {
    const sides = fullSides();
    sides.source.isSealed = true;
    await expect(moveIn(sides, await newTableUrl())).rejects.toThrow(/is gone; put that table back/);
  });
});
