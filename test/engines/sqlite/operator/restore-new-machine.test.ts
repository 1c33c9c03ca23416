import { copyFileSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { INT64_MAX } from '../../../../src/core/allocation.ts';
import { backupLedger } from '../../../../src/engines/sqlite/operator/backup.ts';
import { openReadConnection } from '../../../../src/engines/sqlite/file/connection.ts';
import { HighWaterMark, readMark } from '../../../../src/engines/sqlite/file/high-water-mark.ts';
import type { ImportedStore } from '../../../../src/core/move/imported-store.ts';
import type { LedgerFiles } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { filesOf } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import type { RestoreOptions } from '../../../../src/engines/sqlite/operator/restore.ts';
import { restoreLedger } from '../../../../src/engines/sqlite/operator/restore.ts';
import type { LossPlan } from '../../../../src/engines/sqlite/operator/restore-decision.ts';
import { verifyLedger } from '../../../../src/core/verify/verify-ledger.ts';
import { SqliteVerifySource } from '../../../../src/engines/sqlite/verify/verify-source.ts';
import { LedgerRefused } from '../../../../src/core/errors.ts';
import { fillLedger, fills, tamper } from '../../../support/ledgers/filled-ledger.ts';
import { all } from '../../../support/ledgers/verified-ledger.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

const agree = () => Promise.resolve(true);

let from: string;
let ledger: string;

/** A backup that ends at order_id 9, in which the stores 1 to 3 have the order_numbers 100 to 102; and a new machine. */
beforeEach(async () => {
  const old = fillLedger(join(testFolder(), 'orders.db'), ...fills(9));
  from = join(testFolder(), 'backup.db');
  await backupLedger(old.database, from, { force: false });
  ledger = join(testFolder(), 'orders.db');
});

function restore(options: Partial<RestoreOptions> = {}) {
  return restoreLedger({ from, ledger, ...options });
}

function continueAbove(orderId: bigint, stores: readonly ImportedStore[] = []) {
  return restore({ continueAbove: { orderId, stores, agree } });
}

/** Expects a refusal after which the new machine is as empty as it was. */
async function refused(restored: Promise<unknown>): Promise<string> {
  const error: unknown = await restored.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LedgerRefused);
  expect(readdirSync(dirname(ledger))).toEqual([]);
  return (error as LedgerRefused).message;
}

function files(): LedgerFiles {
  return filesOf(ledger);
}

/** The declared losses, and that verify finds nothing else. */
async function losses(): Promise<unknown[]> {
  const db = openReadConnection(ledger);
  onTestFinished(() => void db.close());
  const events = await all(verifyLedger(new SqliteVerifySource(db), undefined));
  expect(events.at(-1)).toMatchObject({ kind: 'verdict', ok: true });
  return db.prepare('SELECT store_id, first, last FROM declared_losses ORDER BY store_id, first').raw().all();
}

it('P9: a restore without a mark reports what would be numbered again, and is refused until the operator says how far numbering went', async () => {
  const said = await refused(restore());
  expect(said).toMatch(
    /^no mark and no ledger exist at .*orders\.db, so all numbers given after order_id 9 \(the backup file dates from 20\d\d-\S+Z, its last order is from 1970-01-01T00:00:01\.000Z\) would be given again; /,
  );
  expect(said).toContain('--continue-above ORDER_ID');
  expect(said).toContain('--nothing-numbered-since');
});

it('P9: --accept-loss without a mark is refused with the reason', async () => {
  expect(await refused(restore({ acceptLoss: agree }))).toMatch(/^--accept-loss cannot work here: no mark .*ORDER_ID/);
});

it('P9: a backup copied into the place of the ledger proves nothing: without a mark it may be an older copy', async () => {
  copyFileSync(from, ledger);
  const error: unknown = await restore().catch((reason: unknown) => reason);
  expect(String(error)).toMatch(
    /no mark exists beside .*orders\.db, which may itself be an older copy, so all numbers/,
  );
  expect(readdirSync(dirname(ledger))).toEqual(['orders.db']);
  expect(await continueAbove(12n)).toMatchObject({ summary: { lastOrderId: 12n } });
});

it('P1 P2 P9: --continue-above continues one above, every store skips as many, and all skipped numbers are recorded as lost', async () => {
  const restored = await continueAbove(15n);
  expect(restored!.loss).toEqual({
    firstOrderId: 10n,
    lastOrderId: 15n,
    length: 6n,
    storesSkipped: 3n,
    storesContinued: 0n,
    storesCreated: 0n,
  });
  expect(readMark(files().mark)).toMatchObject({ lastOrderId: 15n });
  expect(await losses()).toEqual([
    [null, 10n, 15n],
    [1n, 103n, 108n],
    [2n, 103n, 108n],
    [3n, 103n, 108n],
  ]);
  fillLedger(ledger, { storeId: 1n, requestId: 'next' });
  const db = openReadConnection(ledger);
  onTestFinished(() => void db.close());
  expect(db.prepare('SELECT order_id, order_number FROM allocations WHERE order_id > 9').raw().all()).toEqual([
    [16n, 109n],
  ]);
});

it('P2: a store in the CSV continues with its next number, or is created with it; the others skip', async () => {
  const stores = [
    { storeId: 2n, nextNumber: 105n },
    { storeId: 3n, nextNumber: 103n },
    { storeId: 8n, nextNumber: 700n },
  ];
  expect((await continueAbove(15n, stores))!.loss).toMatchObject({
    storesSkipped: 1n,
    storesContinued: 2n,
    storesCreated: 1n,
  });
  expect(await losses()).toEqual([
    [null, 10n, 15n],
    [1n, 103n, 108n],
    [2n, 103n, 104n],
  ]);
  fillLedger(ledger, ...[1n, 2n, 3n, 8n].map((storeId) => ({ storeId, requestId: 'next' })));
  const db = openReadConnection(ledger);
  onTestFinished(() => void db.close());
  const next = db.prepare('SELECT order_id, order_number FROM allocations WHERE order_id > 9').raw().all();
  expect(next).toEqual([
    [16n, 109n],
    [17n, 105n],
    [18n, 103n],
    [19n, 700n],
  ]);
  expect(db.prepare('SELECT first_number FROM stores WHERE store_id = 8').pluck().get()).toBe(700n);
});

it('the end of the backup itself is accepted, and only what the CSV says is lost', async () => {
  expect(await continueAbove(9n)).toMatchObject({ loss: undefined, summary: { lastOrderId: 9n } });
  rmSync(ledger);
  rmSync(files().mark);
  expect(await continueAbove(9n, [{ storeId: 1n, nextNumber: 110n }])).toMatchObject({ loss: { length: 0n } });
  expect(await losses()).toEqual([[1n, 103n, 109n]]);
});

it('a backup without allocations continues above, too', async () => {
  from = fillLedger(join(testFolder(), 'empty.db')).database;
  await continueAbove(7n, [{ storeId: 5n, nextNumber: 200n }]);
  expect(await losses()).toEqual([[null, 1n, 7n]]);
});

it('P9: an order_id below the end of the backup is refused', async () => {
  expect(await refused(continueAbove(8n))).toMatch(
    /^--continue-above 8 would give numbers twice: the backup itself ends at order_id 9/,
  );
});

it('P9: a next_number that the backup has given already is refused', async () => {
  expect(await refused(continueAbove(15n, [{ storeId: 2n, nextNumber: 102n }]))).toMatch(
    /^store 2 would give numbers twice: its next_number is 102, .* up to 102; use 103 or more/,
  );
});

it('a range beyond 2^63-1 is refused for a store that would have to skip it, and accepted if the CSV names the store', async () => {
  expect(await refused(continueAbove(INT64_MAX))).toMatch(
    /^store 1 is at order_number 102 and cannot skip 9223372036854775798 more/,
  );
  const stores = [1n, 2n, 3n].map((storeId) => ({ storeId, nextNumber: INT64_MAX }));
  await continueAbove(INT64_MAX - 1n, stores);
  fillLedger(ledger, { storeId: 1n, requestId: 'last' });
  expect(await losses()).toHaveLength(4);
});

it('--nothing-numbered-since restores the backup unchanged', async () => {
  expect(await restore({ nothingNumberedSince: true })).toMatchObject({ loss: undefined });
  expect(readMark(files().mark)).toMatchObject({ lastOrderId: 9n });
  expect(await losses()).toEqual([]);
});

it('P9: the mark overrules the operator: nothing below it is accepted', async () => {
  await continueAbove(15n);
  rmSync(ledger);
  const before = readdirSync(dirname(ledger));
  await expect(continueAbove(12n)).rejects.toThrow(
    /--continue-above 12 would give numbers twice: order_id 15 was already given according to the mark/,
  );
  const denied = await restore({ nothingNumberedSince: true }).catch(String);
  expect(denied).toMatch(
    /--nothing-numbered-since is not true: the backup ends at order_id 9, but 15 was already given/,
  );
  expect(readdirSync(dirname(ledger))).toEqual(before);
  expect(await continueAbove(20n)).toMatchObject({ summary: { lastOrderId: 20n } });
});

it('P9: a mark copied along with the backup is no proof: it is as old as its copy', async () => {
  await restore({ nothingNumberedSince: true });
  rmSync(ledger);
  const { warnings } = (await restore())!;
  expect(warnings).toEqual([expect.stringMatching(/^only the mark says .* a copied mark is as old as its copy/)]);
  expect((await restore())!.warnings).toEqual([]);
  rmSync(ledger);
  expect((await continueAbove(15n))!.warnings).toEqual([]);
});

it('P9: a mark beside the backup tells how far numbering went at least', async () => {
  const db = openReadConnection(from);
  const ledgerId = db.prepare('SELECT ledger_id FROM ledger').pluck().get() as string;
  db.close();
  new HighWaterMark(`${from}.mark`, { ledgerId, lastOrderId: 15n }).close();
  expect(await refused(restore())).toMatch(/^no mark and no ledger exist at/);
  expect(await refused(restore({ acceptLoss: agree }))).toMatch(/^--accept-loss cannot work here/);
  expect(await refused(restore({ nothingNumberedSince: true }))).toMatch(
    /is not true: .* but 15 was already given by .* according to the mark .*backup\.db\.mark; .* with --continue-above/,
  );
  expect(await refused(continueAbove(14n))).toMatch(
    /order_id 15 was already given according to the mark .*backup\.db\.mark/,
  );
  expect(await continueAbove(15n)).toMatchObject({ summary: { lastOrderId: 15n } });
});

it('a loss is confirmed with what is known; without consent nothing is put in place', async () => {
  let asked: LossPlan | undefined;
  const disagree = (plan: LossPlan) => {
    asked = plan;
    return Promise.resolve(false);
  };
  expect(await restore({ continueAbove: { orderId: 15n, stores: [], agree: disagree } })).toBeUndefined();
  expect(asked).toMatchObject({ backup: { lastOrderId: 9n }, loss: { length: 6n, storesSkipped: 3n } });
  expect(existsSync(ledger)).toBe(false);
});

it('P9: a sealed or damaged backup is not restored, whatever the operator says', async () => {
  tamper(from, "UPDATE ledger SET sealed_to = 'postgres://orders'");
  expect(await refused(continueAbove(15n))).toMatch(/was moved to postgres/);
});
