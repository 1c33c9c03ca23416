import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { moveLedger } from '../../../../src/core/move/move-ledger.ts';
import { readMark } from '../../../../src/engines/sqlite/file/high-water-mark.ts';
import { openMoveTarget } from '../../../../src/engines/sqlite/operator/move/move-target.ts';
import type { Sides } from '../../../core/move/move-sides.ts';
import { fillLedger, fills } from '../../../support/ledgers/filled-ledger.ts';
import { textOfFile, whileServed } from '../../../support/ledgers/moved-ledger.ts';
import { LocalServer } from '../../../support/processes/local-server.ts';
import { refusedStart } from '../../../support/processes/refused-start.ts';
import { testFolder } from '../../../support/processes/server-process.ts';
import { COUNTERS, fullSides, rows } from '../../dynamodb/operator/table-moves.ts';

function newPath(): string {
  return join(testFolder(), 'orders (new).db');
}

/** A move from these sides' source into the file. */
function moveIn({ source }: Pick<Sides, 'source'>, path: string) {
  const { signal } = new AbortController();
  return moveLedger({
    openSource: async () => source,
    openTarget: () => openMoveTarget(path),
    targetName: path,
    signal,
    onProgress() {},
    onWarning() {},
  });
}

/** Makes the calls of a source fail from one on. */
function failFrom(source: Sides['source'], call: number): Sides['source'] {
  let calls = 0;
  return new Proxy(source, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (name !== 'release' && name !== 'close' && ++calls > call) throw new Error('the network is gone');
        return (value as (...given: unknown[]) => unknown).apply(target, args);
      };
    },
  });
}

describe('a move into a file', () => {
  it('P1 P2 P8 P9: that fails at any call of its source is continued, and no server starts before its end', async () => {
    const path = newPath();
    const sides = fullSides();
    const failures: string[] = [];
    for (let isDone = false; !isDone && failures.length < 50;) {
      const failed = moveIn({ source: failFrom(sides.source, failures.length) }, path);
      isDone = await failed.then(
        () => true,
        (error: unknown) => failures.push(String(error)) === 0,
      );
      expect(existsSync(path) && !sides.source.isSealed).toBe(false);
    }
    expect(failures.length).toBeGreaterThan(10);
    expect(failures.filter((why) => !why.includes('the network is gone'))).toEqual([]);
    expect(textOfFile(path).allocations).toHaveLength(rows().length);
    expect(readMark(`${path}.mark`)).toEqual({ ledgerId: COUNTERS.ledgerId, lastOrderId: COUNTERS.lastOrderId });
    expect(existsSync(`${path}.moving`) || existsSync(`${path}.moving-wal`)).toBe(false);
    expect(await moveIn(sides, path)).toMatchObject({ wasDone: true, to: path });
    const { allocation } = await whileServed(path, (client) => client.allocate(7n));
    expect(allocation).toMatchObject({ orderId: COUNTERS.lastOrderId + 1n, orderNumber: 1111n });
  });

  it('P9: that was killed leaves nothing that a server starts on', async () => {
    const path = newPath();
    const { source } = fullSides();
    source.seal = () => Promise.reject(new Error('killed'));
    await expect(moveIn({ source }, path)).rejects.toThrow(/killed; nothing was moved/);
    expect(await refusedStart(path)).toBe(
      `a ledger is being moved into ${path}; finish that with order-numbers migrate`,
    );
    const { source: another } = fullSides();
    another.counters = async () => ({ ...COUNTERS, ledgerId: 'another' });
    await expect(moveIn({ source: another }, path)).rejects.toThrow(
      /orders \(new\)\.db\.moving is the unfinished copy of another ledger, 0b0e3f9a-.*; finish that, or remove it/,
    );
  });

  it.each<[string, (path: string) => void, RegExp]>([
    [
      'has a ledger',
      (path) => void fillLedger(path, ...fills(3)),
      /already has a ledger of its own \(.*, last order_id 3\)/,
    ],
    ['is another file', (path) => writeFileSync(path, 'a text, and no database'), /file is not a database|is damaged/],
    [
      'has lost its ledger',
      (path) => writeFileSync(`${path}.mark`, 'order-numbers-mark-1'),
      /is missing or empty, but its mark .* exists/,
    ],
  ])('P9: into a place that %s is refused', async (_, prepare, refusal) => {
    const path = newPath();
    prepare(path);
    await expect(moveIn(fullSides(), path)).rejects.toThrow(refusal);
    expect(existsSync(`${path}.moving`)).toBe(false);
  });

  it('P9: whose file is gone after the seal does not begin again', async () => {
    const { source } = fullSides();
    source.isSealed = true;
    await expect(moveIn({ source }, newPath())).rejects.toThrow(/does not have the ledger that was moved to it/);
  });

  it('P8: beside a server is refused', async () => {
    const path = newPath();
    await new LocalServer(path).serving();
    await expect(moveIn(fullSides(), path)).rejects.toThrow(/is in use by another order-numbers process/);
  });
});
