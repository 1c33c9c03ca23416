import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { locateLedger } from '../../../src/engines/sqlite/file/ledger-files.ts';
import { openLedger } from '../../../src/engines/sqlite/recovery/open-ledger.ts';
import { SqliteLedger } from '../../../src/engines/sqlite/sqlite-ledger.ts';
import type { ExpectedLedger } from '../../../src/core/expected-ledger.ts';
import type { LedgerObserver, OpenedLedger } from '../../../src/core/observers.ts';
import { copyOpenFiles } from '../../support/ledgers/copied-files.ts';
import { testFolder } from '../../support/processes/server-process.ts';

const ANOTHER = '00000000-0000-4000-8000-000000000000';
const NOT_CREATED = { create: false, ledgerId: undefined };

/** What the owner is told of each opening. */
class Openings implements LedgerObserver {
  readonly all: OpenedLedger[] = [];
  opened(ledger: OpenedLedger): void {
    this.all.push(ledger);
  }
  waiting(): void {}
  failed(): void {}
  lost(): void {}
  warning(): void {}
  transaction(): void {}
}

/** Opens a ledger, numbers so many orders and closes it; what was told of the opening. */
async function run(path: string, orders: number, expected?: ExpectedLedger): Promise<OpenedLedger> {
  const openings = new Openings();
  const ledger = new SqliteLedger(path, { autoCreateStores: true, ...(expected && { expected }) }, openings);
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= ledger.close());
  onTestFinished(close);
  await ledger.ready();
  for (let i = 0; i < orders; i++) await ledger.commit([{ storeId: 7n, requestId: `r-${i}`, count: 1, caller: '' }]);
  await close();
  return openings.all[0]!;
}

function filesIn(folder: string): Record<string, string> {
  return Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'base64')]));
}

it('reports which ledger was opened, by its absolute path, and whether it is new', async () => {
  const path = join(testFolder(), 'orders.db');
  const first = await run(path, 3);
  expect(first).toMatchObject({ where: path, isNew: true, lastOrderId: 0n, bytes: expect.any(Number) });
  expect(first.ledgerId).toMatch(/^[0-9a-f]{8}-/);
  const second = await run(path, 0);
  expect(second).toMatchObject({ where: path, isNew: false, lastOrderId: 3n, ledgerId: first.ledgerId });
  expect(second.bytes).toBeGreaterThan(4096);
});

it.each([
  ['none may be created', NOT_CREATED, /no ledger exists in .*orders\.db, and --create is false/],
  ['one is expected', { create: true, ledgerId: ANOTHER }, new RegExp(`--expect-ledger-id is ${ANOTHER}`)],
])('without a ledger, if %s, no file is created', async (_name, expected, message) => {
  const folder = testFolder();
  await expect(run(join(folder, 'orders.db'), 0, expected)).rejects.toThrow(message);
  expect(readdirSync(folder)).toEqual([]);
  writeFileSync(join(folder, 'orders.db'), '');
  expect(() => openLedger(locateLedger(join(folder, 'orders.db')), { expected })).toThrow(message);
  expect(filesIn(folder)).toEqual({ 'orders.db': '' });
});

it('P9: a mark without its ledger is still refused if no ledger may be created', async () => {
  const path = join(testFolder(), 'orders.db');
  await run(path, 1);
  const alone = locateLedger(join(testFolder(), 'orders.db'));
  copyFileSync(`${path}.mark`, alone.mark);
  expect(() => openLedger(alone, { expected: NOT_CREATED })).toThrow(/is missing or empty, but its mark .* exists/);
});

it('a ledger other than the expected one is refused, both are named, and every file stays unchanged', async () => {
  const path = join(testFolder(), 'orders.db');
  const owner = openLedger(locateLedger(path))!;
  onTestFinished(() => {
    owner.mark.close();
    owner.db.close();
  });
  owner.db.exec('UPDATE ledger SET last_order_id = 0');
  // As kill -9 leaves them, with a WAL.
  const copy = join(testFolder(), 'orders.db');
  copyOpenFiles([path, `${path}-wal`, `${path}.mark`], dirname(copy));
  const before = filesIn(dirname(copy));
  expect(Object.keys(before)).toContain('orders.db-wal');
  const open = () => openLedger(locateLedger(copy), { expected: { create: true, ledgerId: ANOTHER } });
  expect(open).toThrow(`${copy} is ledger ${owner.ledgerId}, but --expect-ledger-id is ${ANOTHER}`);
  const { 'orders.db-shm': _shm, ...after } = filesIn(dirname(copy));
  expect(after).toEqual(before);
});

it('the expected ledger is opened, created or not', async () => {
  const path = join(testFolder(), 'orders.db');
  const { ledgerId } = await run(path, 1);
  expect(await run(path, 1, { create: false, ledgerId })).toMatchObject({ ledgerId, isNew: false });
});
