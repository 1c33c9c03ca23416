import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { filesOf } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { takeFence } from '../../../../src/engines/sqlite/file/fence.ts';
import { HeldFiles, identityOf } from '../../../../src/engines/sqlite/disk/held-files.ts';
import { SqliteLedger } from '../../../../src/engines/sqlite/sqlite-ledger.ts';
import { DEFAULT_STORE } from '../../../../src/core/store.ts';
import { assertDense } from '../../../support/ledgers/density.ts';
import { fillLedger, fills } from '../../../support/ledgers/filled-ledger.ts';
import { listAfter } from '../../../support/engines/memory-reads.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

/** A fault: what an operator does to the files of a ledger that is open. */
type Fault = readonly [name: string, inject: (database: string) => void, said: RegExp];

const FAULTS: readonly Fault[] = [
  ['its folder renamed', (db) => renameSync(dirname(db), `${dirname(db)}-old`), /the folder .* was moved or removed/],
  [
    'its folder renamed and an empty one put there',
    (db) => {
      renameSync(dirname(db), `${dirname(db)}-old`);
      mkdirSync(dirname(db));
    },
    /orders\.db was moved or removed/,
  ],
  ['its folder removed', (db) => rmSync(dirname(db), { recursive: true }), /the folder .* was moved or removed/],
  ['its database renamed', (db) => renameSync(db, `${db}.old`), /orders\.db was moved or removed/],
  [
    'another database put in its place',
    (db) => {
      copyFileSync(db, `${db}.copy`);
      renameSync(`${db}.copy`, db);
    },
    /orders\.db was replaced by another file while/,
  ],
  ['its -wal removed', (db) => rmSync(`${db}-wal`), /orders\.db-wal was moved or removed/],
  [
    'its -wal replaced',
    (db) => {
      copyFileSync(`${db}-wal`, `${db}-copy`);
      renameSync(`${db}-copy`, `${db}-wal`);
    },
    /orders\.db-wal was replaced by another file/,
  ],
  ['its lock removed', (db) => rmSync(`${db}.lock`), /orders\.db\.lock was moved or removed .* stop any second server/],
  [
    'its lock replaced by a second server',
    (db) => {
      rmSync(`${db}.lock`);
      const fence = takeFence(filesOf(db));
      onTestFinished(() => fence.release());
    },
    /orders\.db\.lock was replaced by another file/,
  ],
];

/** An open ledger with three orders, whose observer hears of `lost`. */
async function openLedger() {
  const database = join(testFolder(), 'data', 'orders.db');
  mkdirSync(dirname(database));
  onTestFinished(() => rmSync(`${dirname(database)}-old`, { recursive: true, force: true }));
  const lost = vi.fn<(why: string) => void>();
  const observer = { opened() {}, waiting() {}, failed() {}, lost, warning() {}, transaction() {} };
  const ledger = new SqliteLedger(database, { autoCreateStores: true }, observer);
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= ledger.close());
  onTestFinished(close);
  await ledger.ready();
  await ledger.commit(['a', 'b', 'c'].map(ask));
  // This opens its reader now: one opened later would create the removed -wal.
  await listAfter(ledger, 0n, 1);
  return { database, ledger, lost, close };
}

function ask(requestId: string) {
  return { storeId: 7n, requestId, count: 1, caller: '' };
}

it.each(FAULTS)(
  'P7 P8: with %s, the next batch is an unknown outcome, and nothing is numbered or read afterwards',
  async (...fault) => {
    const { database, ledger, lost, close } = await openLedger();
    const [, inject, said] = fault;
    inject(database);
    await expect(ledger.commit([ask('d')])).rejects.toThrow(said);
    expect(lost.mock.calls).toEqual([[expect.stringMatching(said)]]);
    await expect(ledger.ready()).rejects.toMatchObject({ reason: 'DRAINING' });
    await expect(ledger.commit([ask('a')])).rejects.toMatchObject({ reason: 'DRAINING' });
    await expect(listAfter(ledger, 0n, 10)).rejects.toMatchObject({ reason: 'LEDGER_REOPENING' });
    await close();
    expect(lost).toHaveBeenCalledTimes(1);
  },
);

it('P8: each of these faults is noticed without a commit, too, and so is a removed -shm', async () => {
  const shm: Fault = ['its -shm removed', (db) => rmSync(`${db}-shm`), /orders\.db-shm was moved or removed/];
  const looked = [...FAULTS, shm].map(async ([name, inject, said]) => {
    const { database, ledger, lost } = await openLedger();
    inject(database);
    await vi.waitFor(() =>
      expect({ name, lost: lost.mock.calls }).toEqual({ name, lost: [[expect.stringMatching(said)]] }),
    );
    await expect(listAfter(ledger, 0n, 10)).rejects.toMatchObject({ reason: 'LEDGER_REOPENING' });
  });
  await Promise.all(looked);
});

it('P4: every order answered before the -wal was removed is in the database when the server has stopped', async () => {
  const { database, ledger, lost, close } = await openLedger();
  rmSync(`${database}-wal`);
  await vi.waitFor(() => expect(lost).toHaveBeenCalled());
  await expect(ledger.commit([ask('d')])).rejects.toThrow(/while it was open|has lost its ledger/);
  await close();
  expect(assertDense(database)).toHaveLength(3);
});

it('P7: a store whose creation may be in unlinked files is an unknown outcome, and not created', async () => {
  const { database, ledger } = await openLedger();
  renameSync(database, `${database}.old`);
  await expect(ledger.createStore({ ...DEFAULT_STORE, storeId: 9n })).rejects.toMatchObject({
    reason: 'OUTCOME_UNKNOWN',
  });
});

it('checkpoints keep every file in place', async () => {
  const { database, ledger, lost } = await openLedger();
  const before = ['', '-wal', '-shm', '.lock'].map((suffix) => identityOf(`${database}${suffix}`));
  // Long enough for the WAL to be moved and started anew, several times.
  for (let i = 0; i < 48; i++) {
    await ledger.commit(Array.from({ length: 1000 }, (_, n) => ask(`${n}-${i}`.padEnd(128, 'x'))));
  }
  await vi.waitFor(() => expect(statSync(database).size).toBeGreaterThan(2 ** 20));
  expect(['', '-wal', '-shm', '.lock'].map((suffix) => identityOf(`${database}${suffix}`))).toEqual(before);
  expect(lost).not.toHaveBeenCalled();
});

it('P9: reopening never creates a ledger: a missing, emptied or replaced file is refused before it is opened', () => {
  const files = fillLedger(join(testFolder(), 'orders.db'), ...fills(3));
  const fence = takeFence(files);
  onTestFinished(() => fence.release());
  const held = new HeldFiles(files, fence.identity);
  held.beforeOpening();
  held.afterOpening();
  held.beforeOpening();

  renameSync(files.database, `${files.database}.old`);
  expect(() => held.beforeOpening()).toThrow(/orders\.db was moved or removed .* put the ledger back/);
  copyFileSync(`${files.database}.old`, files.database);
  expect(() => held.beforeOpening()).toThrow(/was replaced by another file/);
  renameSync(`${files.database}.old`, files.database);
  held.beforeOpening();
  truncateSync(files.database);
  expect(() => held.beforeOpening()).toThrow(/orders\.db was emptied while it was open/);
  expect(readdirSync(dirname(files.database)).filter((name) => name.includes('-wal'))).toEqual([]);
});

it('a database swapped while it is being opened is noticed', () => {
  const files = fillLedger(join(testFolder(), 'orders.db'), ...fills(3));
  const fence = takeFence(files);
  onTestFinished(() => fence.release());
  const held = new HeldFiles(files, fence.identity);
  held.beforeOpening();
  copyFileSync(files.database, `${files.database}.copy`);
  renameSync(`${files.database}.copy`, files.database);
  expect(() => held.afterOpening()).toThrow(/was replaced by another file/);
  expect(existsSync(files.mark)).toBe(true);
});
