import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { SqliteLedger } from '../../../src/engines/sqlite/sqlite-ledger.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import { GivingLedger } from './giving-ledger.ts';
import type { RunningCase } from './running-cases.ts';
import { RUNNING_CASES } from './running-cases.ts';

/** A ledger that a server has open, with numbers in its WAL, and an older copy of its database. */
async function openLedger() {
  const folder = testFolder();
  const giving = new GivingLedger(folder, 'orders');
  giving.start();
  giving.give(1, 2, 3);
  giving.stop();
  const older = join(folder, 'older.copy');
  copyFileSync(giving.files.database, older);
  giving.start();
  giving.give(1, 2);
  giving.stop();
  const lost = vi.fn<(why: string) => void>();
  const observer = { opened() {}, waiting() {}, failed() {}, lost, warning() {}, transaction() {} };
  const ledger = new SqliteLedger(giving.files.database, { autoCreateStores: true }, observer);
  onTestFinished(() => ledger.close());
  await ledger.ready();
  return { files: giving.files, older, ledger, lost };
}

function ask(requestId: string) {
  return { storeId: 7n, requestId, count: 1, caller: '' };
}

function casesWith(of: (each: RunningCase) => boolean): [string, RunningCase][] {
  return RUNNING_CASES.filter(of).map((each) => [`${each.damage}: ${each.how}`, each]);
}

it.each(casesWith(({ ends }) => ends !== undefined))(
  'P7 P9: the next commit is an unknown outcome, and the server ends: %s',
  async (_, { inject, ends }) => {
    const { files, older, ledger, lost } = await openLedger();
    await ledger.commit([ask('before')]);
    inject(files, older);
    await expect(ledger.commit([ask('after')])).rejects.toThrow(ends);
    expect(lost.mock.calls).toEqual([[expect.stringMatching(ends!)]]);
    await expect(ledger.commit([ask('before')])).rejects.toMatchObject({ reason: 'DRAINING' });
  },
);

it.each(casesWith(({ read }) => read !== undefined))('P9: a read is refused: %s', async (_, { inject, read }) => {
  const { files, older, ledger } = await openLedger();
  inject(files, older);
  await expect(ledger.reads.getAllocation({ orderId: 1n })).rejects.toMatchObject({ reason: read });
});

it.each(casesWith(({ ends, read }) => ends === undefined && read === undefined))(
  'P9: is not noticed before the next start: %s',
  async (_, { inject }) => {
    const { files, older, ledger, lost } = await openLedger();
    inject(files, older);
    await expect(ledger.commit([ask('after')])).resolves.toMatchObject([{ replayed: false }]);
    expect(lost).not.toHaveBeenCalled();
  },
);
