import { describe, expect, it } from 'vitest';
import { MoveSource } from '../../../../src/engines/dynamodb/operator/move/move-source.ts';
import { fatedTable } from '../../../support/dynamodb/fated-table.ts';
import { newTableUrl } from '../../../support/dynamodb/dynalite.ts';
import { logOf } from '../../../support/ledgers/moved-table.ts';
import { elsewhere, fullSides, isThrough, moveIn, moveOut, rows, targetFor, whyNotServed } from './table-moves.ts';

describe('a move out of a table', () => {
  it('P1 P8: that is killed after any of its writes is continued, and its servers are told where it goes', async () => {
    const url = await newTableUrl();
    await moveIn(fullSides(), url);
    const sides = targetFor();
    const told: (string | undefined)[] = [];
    for (let killedAfter = 1; ; killedAfter++) {
      if (await isThrough(moveOut(sides, url, { killedAfter }))) break;
      expect(sides.steps).not.toContain('activate');
      told.push(await whyNotServed(url));
    }
    const [first, last] = [told[0] ?? 'it is served', told.at(-1) ?? 'it is served'];
    expect(first).toMatch(
      /is being moved to COPY; finish that with order-numbers migrate, or give it up with --give-up/,
    );
    expect(last).toMatch(/the ledger of TABLE has moved to COPY; serve that one/);
    expect(sides.target.contents.allocations).toEqual(rows());
    expect(await moveOut(sides, url)).toMatchObject({ wasDone: false, rows: 8n, stores: 3n });
    await expect(moveOut(Object.assign(targetFor(), { target: elsewhere() }), url)).rejects.toThrow(
      /has moved to COPY/,
    );
  });

  it('P7: whose answers are lost seals it once', async () => {
    const url = await newTableUrl();
    await moveIn(fullSides(), url);
    const before = (await logOf(url)).length;
    await moveOut(targetFor(), url, { losesAnswers: true });
    expect((await logOf(url)).length - before).toBe(2);
  });

  it('P8: that fails lets servers number again', async () => {
    const url = await newTableUrl();
    await moveIn(fullSides(), url);
    const sides = targetFor();
    sides.target.contents.stores.pop();
    await expect(moveOut(sides, url)).rejects.toThrow(
      /the copy differs.*nothing was moved, and dynamodb:.* can still be served/,
    );
    expect(await whyNotServed(url)).toBeUndefined();
  });

  it('P1: seals nothing if anything was written since its copy began, as after it was given up elsewhere', async () => {
    const url = await newTableUrl();
    await moveIn(fullSides(), url);
    const sides = targetFor();
    sides.target.verify = async function* () {
      const other = await MoveSource.open(fatedTable(url, {}), new AbortController().signal);
      await other.release();
      await other.close();
      yield { kind: 'verdict', ok: true, rows: 8n, sequences: 1n, findings: 0n, asOfOrderId: 1n };
    };
    await expect(moveOut(sides, url)).rejects.toThrow(/was given up, or taken over by another.*nothing was moved/);
    expect(sides.steps).not.toContain('activate');
    expect(await whyNotServed(url)).toBeUndefined();
  });

  it('P8: on its way to one place goes to no other one', async () => {
    const url = await newTableUrl();
    await moveIn(fullSides(), url);
    await moveOut(targetFor(), url, { killedAfter: 1 }).catch(() => {});
    const sides = Object.assign(targetFor(), { target: elsewhere() });
    await expect(moveOut(sides, url)).rejects.toThrow(/is being moved to COPY; finish that/);
  });
});
