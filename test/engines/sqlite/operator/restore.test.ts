import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { backupLedger } from '../../../../src/engines/sqlite/operator/backup.ts';
import { openReadConnection, openWriteConnection } from '../../../../src/engines/sqlite/file/connection.ts';
import { takeFence } from '../../../../src/engines/sqlite/file/fence.ts';
import { HighWaterMark, readMark } from '../../../../src/engines/sqlite/file/high-water-mark.ts';
import type { LedgerFiles } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { locateLedger } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { openLedger } from '../../../../src/engines/sqlite/recovery/open-ledger.ts';
import type { RestoreOptions } from '../../../../src/engines/sqlite/operator/restore.ts';
import { restoreLedger } from '../../../../src/engines/sqlite/operator/restore.ts';
import { replacedNameOf, swapSteps } from '../../../../src/engines/sqlite/operator/restore-swap.ts';
import { LedgerRefused } from '../../../../src/core/errors.ts';
import { assertDense } from '../../../support/ledgers/density.ts';
import { fillLedger, fills, giveNumbers, nameCallers, tamper } from '../../../support/ledgers/filled-ledger.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

const agree = () => Promise.resolve(true);
const above = (orderId: bigint) => ({ orderId, stores: [], agree });
const refuseToSay = () => Promise.reject(new Error('asked'));

/** A ledger at order_id 15 with stores 1 to 4, and its backup, which ends at 9 and has the stores 1 to 3. */
async function olderBackup() {
  const files = fillLedger(join(testFolder(), 'orders.db'), ...fills(9));
  nameCallers(files.database);
  const from = join(testFolder(), 'backup.db');
  await backupLedger(files.database, from, { force: false });
  fillLedger(files.database, ...fills(6, { stores: 4, name: 'lost' }));
  return { files, from };
}

function restore(from: string, { database }: LedgerFiles, options: Partial<RestoreOptions> = {}) {
  return restoreLedger({ from, ledger: database, ...options });
}

/** Expects a refusal after which everything in both folders is as it was. */
async function refused(from: string, files: LedgerFiles, options: Partial<RestoreOptions> = {}): Promise<string> {
  const before = contents(files, from);
  const error: unknown = await restore(from, files, options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LedgerRefused);
  expect(contents(files, from)).toEqual(before);
  return (error as LedgerRefused).message;
}

/** Every file that matters; SQLite may write -shm when a ledger is looked at. */
function contents({ database }: LedgerFiles, from: string): Record<string, string> {
  const paths = [dirname(database), dirname(from)].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => !/-shm$|\.lock$/.test(name))
      .map((name) => join(folder, name)),
  );
  return Object.fromEntries(paths.map((path) => [path, readFileSync(path).toString('latin1')]));
}

/** Opens a ledger as a server would, and returns its end. */
function endOf(files: LedgerFiles): bigint {
  const ledger = openLedger(files)!;
  ledger.mark.close();
  ledger.db.close();
  return ledger.lastOrderId;
}

/** The result of a server's start: the end of the ledger, or why it is refused. */
function startOf(files: LedgerFiles): string {
  try {
    return `ends at ${endOf(files)}`;
  } catch (error) {
    return String(error);
  }
}

function losses({ database }: LedgerFiles): unknown[] {
  const db = openReadConnection(database);
  const rows = db.prepare('SELECT store_id, first, last FROM declared_losses ORDER BY store_id').raw().all();
  db.close();
  return rows;
}

it('P9: a backup is restored on a new machine, with a mark that agrees', async () => {
  const { from } = await olderBackup();
  const files = locateLedger(join(testFolder(), 'orders.db'));
  expect(await restore(from, files, { nothingNumberedSince: true })).toMatchObject({
    summary: { lastOrderId: 9n },
    replaced: undefined,
    loss: undefined,
  });
  expect(readdirSync(dirname(files.database)).toSorted()).toEqual(['orders.db', 'orders.db.lock', 'orders.db.mark']);
  expect(readMark(files.mark)).toMatchObject({ lastOrderId: 9n });
  expect(endOf(files)).toBe(9n);
  expect(assertDense(files.database)).toEqual(assertDense(from));
  expect(assertDense(files.database).map(({ caller }) => caller)).toContain('caller 2');
});

it('P9: an older backup is refused, and the message names both ends', async () => {
  const { files, from } = await olderBackup();
  expect(await refused(from, files)).toMatch(
    /the backup ends at order_id 9, but 15 was already given by \S*orders\.db; .*--accept-loss/,
  );
  expect(endOf(files)).toBe(15n);
});

it.each(['missing', 'empty', 'damaged', 'behind its mark'])(
  'P9: an older backup is refused if the ledger is %s, because its mark exists',
  async (state) => {
    const { files, from } = await olderBackup();
    if (state === 'missing') rmSync(files.database);
    if (state === 'empty') truncateSync(files.database);
    if (state === 'damaged') writeFileSync(files.database, 'no database'.repeat(1000));
    if (state === 'behind its mark') copyFileSync(from, files.database);
    expect(await refused(from, files)).toMatch(
      /ends at order_id 9, but 15 was already given .* according to the mark .*\.mark/,
    );
  },
);

it.each(['missing', 'torn'])(
  'P9: an older backup is refused if the mark is %s, because the ledger exists',
  async (state) => {
    const { files, from } = await olderBackup();
    if (state === 'torn') truncateSync(files.mark, 20);
    else rmSync(files.mark);
    expect(await refused(from, files)).toContain('ends at order_id 9, but 15 was already given');
  },
);

it('P9: allocations only in the WAL of a killed server count', async () => {
  const { files, from } = await olderBackup();
  const killed = locateLedger(join(testFolder(), 'orders.db'));
  const db = openWriteConnection(files.database);
  onTestFinished(() => void db.close());
  giveNumbers(db, fills(5, { name: 'in the WAL' }));
  copyFileSync(files.database, killed.database);
  copyFileSync(`${files.database}-wal`, `${killed.database}-wal`);
  expect(await refused(from, killed)).toContain('but 20 was already given');
});

it.each([
  ['torn mark and no ledger', (files: LedgerFiles) => rmSync(files.database)],
  ['torn mark and a damaged ledger', (files: LedgerFiles) => writeFileSync(files.database, 'damaged'.repeat(1000))],
])('P9: a %s is refused even with a loss, because it is unknown how far the numbers had gone', async (_, damage) => {
  const { files, from } = await olderBackup();
  truncateSync(files.mark, 20);
  damage(files);
  expect(await refused(from, files, { acceptLoss: agree })).toMatch(
    /neither .* nor its mark .* can be read to see which numbers were given/,
  );
  expect(await restore(from, files, { continueAbove: above(15n) })).toMatchObject({ summary: { lastOrderId: 15n } });
});

it('P9: another ledger, or the mark of another, is not replaced', async () => {
  const { from } = await olderBackup();
  const other = fillLedger(join(testFolder(), 'orders.db'), ...fills(1));
  expect(await refused(from, other, { acceptLoss: agree })).toMatch(
    /orders\.db belongs to ledger .* move the old ledger/,
  );
  rmSync(other.database);
  expect(await refused(from, other, { acceptLoss: agree })).toMatch(/orders\.db\.mark belongs to ledger/);
});

it('P9: a ledger that was moved away stays sealed, and so does its backup', async () => {
  const { files, from } = await olderBackup();
  tamper(files.database, "UPDATE ledger SET sealed_to = 'postgres://orders'");
  expect(await refused(from, files, { acceptLoss: agree })).toMatch(/was moved to postgres:\/\/orders/);
  tamper(from, "UPDATE ledger SET sealed_to = 'postgres://orders'");
  const empty = locateLedger(join(testFolder(), 'orders.db'));
  expect(await refused(from, empty, { acceptLoss: agree })).toMatch(/backup\.db was moved to postgres/);
});

it('a backup that is damaged, or is not a ledger, is not restored', async () => {
  const { files, from } = await olderBackup();
  tamper(from, 'DELETE FROM allocations WHERE order_id = 5');
  expect(await refused(from, files, { acceptLoss: agree })).toMatch(/is damaged: no row covers order_id 5;/);
  writeFileSync(from, 'no database'.repeat(1000));
  expect(await refused(from, files)).toMatch(/backup\.db cannot be read as a ledger/);
  rmSync(from);
  expect(await restore(from, files).catch(String)).toMatch(/backup\.db does not exist/);
  expect(await restore(files.database, files).catch(String)).toMatch(/is the ledger itself/);
});

it('P8: a ledger in use is not replaced', async () => {
  const { files, from } = await olderBackup();
  const fence = takeFence(files);
  onTestFinished(() => fence.release());
  expect(await refused(from, files, { acceptLoss: agree })).toMatch(
    /orders\.db is in use by another order-numbers process/,
  );
});

it('an equal backup replaces a ledger, which is kept beside it, including its WAL', async () => {
  const { files } = await olderBackup();
  const from = join(testFolder(), 'backup.db');
  await backupLedger(files.database, from, { force: false });
  const before = readFileSync(files.database);
  writeFileSync(`${files.database}-journal`, '');
  const restored = await restore(from, files);
  expect(restored).toMatchObject({ summary: { lastOrderId: 15n }, loss: undefined });
  expect(restored!.replaced).toMatch(/orders\.db\.replaced-\d{8}T\d{9}Z$/);
  expect(readFileSync(restored!.replaced!).equals(before)).toBe(true);
  for (const suffix of ['-wal', '-shm', '-journal']) expect(existsSync(`${files.database}${suffix}`)).toBe(false);
  expect(endOf(files)).toBe(15n);
});

it('P9: a newer backup than the ledger raises the mark', async () => {
  const { files, from } = await olderBackup();
  const newer = join(testFolder(), 'newer.db');
  await backupLedger(files.database, newer, { force: false });
  const machine = locateLedger(join(testFolder(), 'orders.db'));
  await restore(from, machine, { nothingNumberedSince: true });
  expect(await restore(newer, machine)).toMatchObject({ loss: undefined });
  expect(endOf(machine)).toBe(15n);
  expect(await refused(from, machine)).toContain('but 15 was already given');
});

it.each(['ledger', 'mark'])(
  'P9: with a loss, numbers continue above what the %s knows, and the loss is declared',
  async (witness) => {
    const { files, from } = await olderBackup();
    tamper(from, "INSERT INTO stores VALUES (8, 500, 499, '', '', 0, 0)");
    if (witness === 'mark') rmSync(files.database);
    else rmSync(files.mark);
    const { loss, summary } = (await restore(from, files, { acceptLoss: agree }))!;
    expect(loss).toMatchObject({ firstOrderId: 10n, lastOrderId: 15n, length: 6n });
    expect(readMark(files.mark)).toEqual({ ledgerId: summary.ledgerId, lastOrderId: 15n });
    expect(losses(files)).toEqual([
      [null, 10n, 15n],
      [1n, 103n, 108n],
      [2n, 103n, 108n],
      [3n, 103n, 108n],
      [8n, 500n, 505n],
    ]);
    fillLedger(files.database, { storeId: 1n, requestId: 'next' }, { storeId: 8n, requestId: 'next' });
    // Sound, as the backup's own check sees it, and again.
    const copy = join(testFolder(), 'copy.db');
    expect(await backupLedger(files.database, copy, { force: false })).toMatchObject({ lastOrderId: 17n, rows: 11n });
    const db = openReadConnection(copy);
    onTestFinished(() => void db.close());
    expect(db.prepare('SELECT order_id, order_number FROM allocations WHERE order_id > 9').raw().all()).toEqual([
      [16n, 109n],
      [17n, 506n],
    ]);
  },
);

it('P9: a second loss continues above the first', async () => {
  const { files, from } = await olderBackup();
  await restore(from, files, { acceptLoss: agree });
  fillLedger(files.database, ...fills(5, { name: 'second' }));
  const { loss } = (await restore(from, files, { acceptLoss: agree }))!;
  expect(loss).toMatchObject({ firstOrderId: 10n, lastOrderId: 20n, length: 11n });
  expect(endOf(files)).toBe(20n);
});

it('a loss is confirmed with what is known; without consent nothing changes', async () => {
  const { files, from } = await olderBackup();
  const before = contents(files, from);
  const asked: unknown[] = [];
  const acceptLoss: RestoreOptions['acceptLoss'] = (plan) => Promise.resolve(asked.push(plan) === 0);
  expect(await restore(from, files, { acceptLoss })).toBeUndefined();
  expect(asked).toMatchObject([{ backup: { lastOrderId: 9n, stores: 3n }, evidence: { end: 15n, hasLedger: true } }]);
  expect(contents(files, from)).toEqual(before);
});

it('nothing is asked, and nothing lost, if the backup is not older', async () => {
  const { files } = await olderBackup();
  const from = join(testFolder(), 'backup.db');
  await backupLedger(files.database, from, { force: false });
  expect(await restore(from, files, { acceptLoss: refuseToSay })).toMatchObject({ loss: undefined });
});

it('a loss for which a store has too few numbers left is refused', async () => {
  const { files, from } = await olderBackup();
  tamper(from, "INSERT INTO stores VALUES (8, 9223372036854775803, 9223372036854775802, '', '', 0, 0)");
  expect(await refused(from, files, { acceptLoss: agree })).toMatch(/store 8 is at order_number .* cannot skip 6 more/);
  tamper(from, 'UPDATE stores SET first_number = first_number - 1, last_number = last_number - 1 WHERE store_id = 8');
  await restore(from, files, { acceptLoss: agree });
  expect(losses(files).at(-1)).toEqual([8n, 9223372036854775802n, 9223372036854775807n]);
});

it('a stopped restore changes nothing', async () => {
  const { files, from } = await olderBackup();
  const before = contents(files, from);
  const stop = new AbortController();
  const onProgress = (step: string) => {
    if (step === 'checking') stop.abort(new Error('stopped'));
  };
  await expect(restore(from, files, { acceptLoss: agree, signal: stop.signal, onProgress })).rejects.toThrow('stopped');
  expect(contents(files, from)).toEqual(before);
});

// Steps: the mark; the database, -wal, -shm and -journal away; the folder to disk; the new file.
it.each([0, 1, 2, 3, 4, 5, 6, 7])(
  'P9: a restore that dies after step %i of 7 leaves the old ledger, or none, or the new one; a second run finishes',
  async (steps) => {
    const { files, from } = await olderBackup();
    // The old ledger's last numbers are in its WAL alone.
    const machine = locateLedger(join(testFolder(), 'orders.db'));
    const db = openWriteConnection(files.database);
    giveNumbers(db, fills(5, { name: 'in the WAL' }));
    for (const suffix of ['', '-wal', '-shm']) {
      copyFileSync(`${files.database}${suffix}`, `${machine.database}${suffix}`);
    }
    copyFileSync(files.mark, machine.mark);
    db.close();

    const made = await finishedReplacement(from, files);
    copyFileSync(made.path, `${machine.database}.restore-tmp`);
    const all = swapSteps(
      machine,
      `${machine.database}.restore-tmp`,
      made.mark,
      replacedNameOf(machine.database, new Date()),
    );
    expect(all).toHaveLength(7);
    for (const step of all.slice(0, steps)) step();

    // A server now numbers above 20, the end of the old ledger, or not at all.
    const looked = testFolder();
    for (const name of readdirSync(dirname(machine.database))) {
      copyFileSync(join(dirname(machine.database), name), join(looked, name));
    }
    const copy = locateLedger(join(looked, 'orders.db'));
    const isGone = steps >= 2 && steps <= 6;
    expect(startOf(copy)).toMatch(isGone ? /missing or empty, but its mark/ : /^ends at 20$/);

    await restore(from, machine, { acceptLoss: agree });
    expect(endOf(machine)).toBe(20n);
    expect(losses(machine)[0]).toEqual([null, 10n, 20n]);
    expect(readdirSync(dirname(machine.database)).filter((name) => /restore-tmp|\.new$/.test(name))).toEqual([]);
  },
);

/** The file, and the mark, that a restore with a loss from `from` would put in place of a ledger that ends at 20. */
async function finishedReplacement(from: string, { database }: LedgerFiles) {
  const machine = locateLedger(join(testFolder(), 'orders.db'));
  const db = openReadConnection(database);
  const ledgerId = db.prepare('SELECT ledger_id FROM ledger').pluck().get() as string;
  db.close();
  const mark = { ledgerId, lastOrderId: 20n };
  new HighWaterMark(machine.mark, mark).close();
  await restore(from, machine, { acceptLoss: agree });
  expect(statSync(machine.database).size).toBeGreaterThan(0);
  return { path: machine.database, mark };
}
