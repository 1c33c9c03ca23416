import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { moveLedger } from '../../../../src/core/move/move-ledger.ts';
import { openMoveTarget } from '../../../../src/engines/sqlite/operator/move/move-target.ts';
import type { Sides } from '../../../core/move/move-sides.ts';
import { fillLedger, fills } from '../../../support/ledgers/filled-ledger.ts';
import { LocalServer } from '../../../support/processes/local-server.ts';
import { testFolder } from '../../../support/processes/server-process.ts';
import { fullSides } from '../../dynamodb/operator/table-moves.ts';

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

describe('a move into a file', () => {
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
