import { copyFileSync, cpSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { backupLedger } from '../../../../src/engines/sqlite/operator/backup.ts';
import { SqliteLedger } from '../../../../src/engines/sqlite/sqlite-ledger.ts';
import { restoreLedger } from '../../../../src/engines/sqlite/operator/restore.ts';
import { verifyLedgerFile } from '../../../../src/engines/sqlite/operator/verify-file.ts';
import { fillLedger, fills } from '../../../support/ledgers/filled-ledger.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

/** The verdict on a ledger's file, or why there is none. */
async function verdictOf(path: string) {
  let last: unknown;
  for await (const event of verifyLedgerFile(path, undefined)) last = event;
  return last;
}

/** A ledger with 9 orders and its backup, then 6 orders more. */
async function olderCopy() {
  const files = fillLedger(join(testFolder(), 'orders.db'), ...fills(9));
  const copy = join(testFolder(), 'backup.db');
  await backupLedger(files.database, copy, { force: false });
  fillLedger(files.database, ...fills(6, { name: 'more' }));
  return { ...files, copy };
}

it('P9: an older copy put back does not verify if a server would refuse it', async () => {
  const { database, copy } = await olderCopy();
  expect(await verdictOf(database)).toMatchObject({ ok: true, rows: 15n });
  copyFileSync(copy, database);
  await expect(verdictOf(database)).rejects.toThrow(
    /orders\.db ends at order_id 9, but 15 was already given according to its mark .*: this is an older copy/,
  );
  // The copy in its own place is intact, and has no mark.
  expect(await verdictOf(copy)).toMatchObject({ ok: true, rows: 9n });
});

it('P9: neither does the file of another ledger beside a mark', async () => {
  const { database } = await olderCopy();
  const other = fillLedger(join(testFolder(), 'orders.db'), ...fills(20));
  copyFileSync(other.database, database);
  await expect(verdictOf(database)).rejects.toThrow(/is ledger .*, but its mark .* belongs to ledger/);
});

it('P9: neither does an older copy put over a ledger whose -wal file exists', async () => {
  const { database, copy } = await olderCopy();
  const killed = testFolder();
  const ledger = await openLedger(database);
  await ledger.commit([{ storeId: 1n, requestId: 'in the WAL', count: 1, caller: '' }]);
  cpSync(dirname(database), killed, { recursive: true });
  copyFileSync(copy, join(killed, 'orders.db'));
  await expect(verdictOf(join(killed, 'orders.db'))).rejects.toThrow(/older copy/);
});

it('a torn or missing mark proves nothing', async () => {
  const { database, mark } = await olderCopy();
  truncateSync(mark, 20);
  expect(await verdictOf(database)).toMatchObject({ ok: true });
  rmSync(mark);
  expect(await verdictOf(database)).toMatchObject({ ok: true });
});

it('no verification is refused beside a server that numbers', async () => {
  const { database } = await olderCopy();
  const ledger = await openLedger(database);
  const stop = new AbortController();
  const load = (async () => {
    for (let i = 0; !stop.signal.aborted; i++) {
      await ledger.commit(
        Array.from({ length: 200 }, (_, n) => ({
          storeId: 1n,
          requestId: `${i}-${n}-${'x'.repeat(90)}`,
          count: 1,
          caller: '',
        })),
      );
    }
  })();
  for (let i = 0; i < 5; i++) expect(await verdictOf(database)).toMatchObject({ ok: true });
  stop.abort();
  await load;
});

it('in a read-only folder a cleanly closed ledger is read from a copy; any other is refused with the reason', async () => {
  const { database, copy } = await olderCopy();
  // Root can write every folder.
  symlinkSync('nowhere', `${database}-shm`);
  expect(await verdictOf(database)).toMatchObject({ ok: true, rows: 15n });
  const target = join(testFolder(), 'again.db');
  expect(await backupLedger(database, target, { force: false })).toMatchObject({ lastOrderId: 15n });
  const ledger = join(testFolder(), 'orders.db');
  expect(await restoreLedger({ from: database, ledger, nothingNumberedSince: true })).toMatchObject({
    summary: { lastOrderId: 15n },
  });

  writeFileSync(`${database}-wal`, readFileSync(copy));
  const why =
    /orders\.db cannot be read in its folder \(its newest numbers are in .*-wal\): SQLite creates a -shm file/;
  await expect(verdictOf(database)).rejects.toThrow(why);
  await expect(backupLedger(database, join(testFolder(), 'x.db'), { force: false })).rejects.toThrow(why);
  await expect(restoreLedger({ from: database, ledger, nothingNumberedSince: true })).rejects.toThrow(why);

  rmSync(`${database}-wal`);
  copyFileSync(copy, database);
  await expect(verdictOf(database)).rejects.toThrow(/orders\.db ends at order_id 9, but 15 was already given/);
});

async function openLedger(database: string): Promise<SqliteLedger> {
  const observer = { opened() {}, waiting() {}, failed() {}, lost() {}, warning() {}, transaction() {} };
  const ledger = new SqliteLedger(database, { autoCreateStores: true }, observer);
  onTestFinished(() => ledger.close());
  await ledger.ready();
  return ledger;
}
