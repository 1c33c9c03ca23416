import { createHash, randomUUID } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { backupLedger } from '../../../src/engines/sqlite/operator/backup.ts';
import { takeFence } from '../../../src/engines/sqlite/file/fence.ts';
import { importCounters, planImport } from '../../../src/engines/sqlite/operator/import-counters.ts';
import { ImportStaging } from '../../../src/engines/sqlite/operator/import-staging.ts';
import { filesOf } from '../../../src/engines/sqlite/file/ledger-files.ts';
import { MoveSource } from '../../../src/engines/sqlite/operator/move/move-source.ts';
import { restoreLedger } from '../../../src/engines/sqlite/operator/restore.ts';
import { SqliteLedger } from '../../../src/engines/sqlite/sqlite-ledger.ts';
import { verifyLedgerFile } from '../../../src/engines/sqlite/operator/verify-file.ts';
import { LedgerRefused, OrderError } from '../../../src/core/errors.ts';
import type { ExpectedLedger } from '../../../src/core/expected-ledger.ts';
import { copyOpenFiles } from '../../support/ledgers/copied-files.ts';
import { fillLedger, fills, tamper } from '../../support/ledgers/filled-ledger.ts';
import { fillVersion1, version1Ledger } from '../../support/ledgers/version-1-ledger.ts';
import { testFolder } from '../../support/processes/server-process.ts';

/** The files of one case: a ledger of 15 orders with its mark, and an older copy of it, with 9. */
interface Place {
  readonly folder: string;
  readonly ledger: string;
  readonly backup: string;
}

const agree = () => Promise.resolve(true);

/** What operators do. Each resolves if it is done, and rejects if it is refused. */
const ACTIONS = {
  start: (place: Place) => start(place),
  'start of another ledger': (place: Place) => start(place, { create: false, ledgerId: randomUUID() }),
  restore: ({ ledger, backup }: Place) => restoreLedger({ from: backup, ledger }),
  'restore with a loss': ({ ledger, backup }: Place) => restoreLedger({ from: backup, ledger, acceptLoss: agree }),
  'restore above less': ({ ledger, backup }: Place) =>
    restoreLedger({ from: backup, ledger, continueAbove: { orderId: 8n, stores: [], agree } }),
  'restore of a store that goes back': ({ ledger, backup }: Place) =>
    restoreLedger({
      from: backup,
      ledger,
      continueAbove: { orderId: 99n, stores: [{ storeId: 1n, nextNumber: 100n }], agree },
    }),
  'plan an import': async ({ ledger }: Place) => withStores((stores) => planImport(ledger, stores, () => {})),
  import: async ({ ledger }: Place) => withStores((stores) => importCounters(ledger, stores, () => {})),
  verify: async ({ ledger }: Place) => {
    for await (const event of verifyLedgerFile(ledger, undefined)) {
      if (event.kind === 'verdict' && !event.ok) throw new LedgerRefused('the verdict is bad');
    }
  },
  backup: ({ ledger, folder }: Place) => backupLedger(ledger, join(folder, 'copy.db'), { force: false }),
  migrate: async ({ ledger }: Place) => MoveSource.open(ledger).close(),
};
const ALL = Object.keys(ACTIONS) as (keyof typeof ACTIONS)[];

/** What takes the place of a ledger, and what is refused there. */
const CASES: readonly (readonly [
  state: string,
  make: (place: Place) => void | Promise<void>,
  refused: readonly string[],
])[] = [
  [
    'a good ledger that is ahead of the backup',
    () => {},
    [
      'start of another ledger',
      'restore',
      'restore above less',
      'restore of a store that goes back',
      'plan an import',
      'import',
    ],
  ],
  ['an older copy', ({ ledger, backup }) => copyFileSync(backup, ledger), except('restore with a loss')],
  ['an older copy with the -wal file of a newer one', putCopyOverWal, except('restore with a loss')],
  ['no database, and a mark', ({ ledger }) => rmSync(ledger), except('restore with a loss')],
  ['an empty database, and a mark', ({ ledger }) => truncateSync(ledger), except('restore with a loss')],
  ['the database of another ledger', putOtherLedger, ALL],
  [
    'what is no database',
    ({ ledger }) => writeFileSync(ledger, 'no database'.repeat(1000)),
    except('restore with a loss'),
  ],
  ['the database of another program', putOtherProgram, ALL],
  [
    'a ledger of a newer version',
    ({ ledger }) => tamper(ledger, 'PRAGMA user_version = 99'),
    except('restore with a loss'),
  ],
  [
    'a ledger that was moved elsewhere',
    ({ ledger }) => tamper(ledger, "UPDATE ledger SET sealed_to = 'postgres://orders'"),
    except('verify', 'backup', 'migrate'),
  ],
  ['a ledger without its counter', ({ ledger }) => tamper(ledger, 'DELETE FROM ledger'), except('restore with a loss')],
  ['neither a database nor a whole mark', tearMark, ALL],
  ['a file with two hard links', ({ ledger }) => linkSync(ledger, `${ledger}.link`), except('verify', 'backup')],
  [
    'a symbolic link to nothing',
    ({ ledger }) => {
      rmSync(ledger);
      symlinkSync('nowhere.db', ledger);
    },
    ALL,
  ],
  ['no ledger and no mark', removeAll, except('start', 'plan an import', 'import')],
  ['a ledger in use', holdFence, except('verify', 'backup')],
];

/** The ledger and its backup by this release, and by the one with schema version 1: a refused start upgrades nothing. */
const PLACES = [
  ['as it is now', newPlace],
  ['in schema version 1', newPlaceOfVersion1],
] as const;
const CASES_IN_PLACES = PLACES.flatMap(([version, place]) =>
  CASES.map((rest) => [rest[0], version, place, rest] as const),
);

it.each(CASES_IN_PLACES)('P9: %s, %s: every refusal leaves all files unchanged, byte for byte', async (...named) => {
  const [, , newOriginal, [, make, refused]] = named;
  const original = await newOriginal();
  await make(original);
  const outcomes: string[] = [];
  for (const action of ALL) {
    // A copy for each action that may change something; the ledger in use does not need one.
    const place = refused.includes(action) ? original : copyOf(original);
    const before = contents(place.folder);
    const error: unknown = await ACTIONS[action](place).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error === undefined) continue;
    outcomes.push(action);
    expect({ action, error: String(error), isRefusal: isRefusal(error) }).toMatchObject({ action, isRefusal: true });
    expect({ action, contents: contents(place.folder) }).toEqual({ action, contents: before });
  }
  expect(outcomes).toEqual(refused);
});

/** The seal as migrate writes it: the name for people, and the identity that is the same under every name. */
const SEAL = "UPDATE ledger SET sealed_to = 'postgres://orders@db1/orders (database 5 of system 7)'";

it.each([
  ...except('verify', 'backup', 'migrate').map((action) => ['ledger', action] as const),
  ['backup', 'restore'],
  ['backup', 'restore with a loss'],
] as const)('of a %s that was moved elsewhere people read the name alone: %s', async (file, action) => {
  const place = await newPlace();
  tamper(place[file], SEAL);
  const error: unknown = await ACTIONS[action](place).catch((reason: unknown) => reason);
  expect(String(error)).toContain(
    `${place[file]} was moved to postgres://orders@db1/orders and must never number again; `,
  );
});

function except(...actions: readonly string[]): (keyof typeof ACTIONS)[] {
  return ALL.filter((action) => !actions.includes(action));
}

async function newPlace(): Promise<Place> {
  const place = emptyPlace();
  fillLedger(place.ledger, ...fills(9));
  await backupLedger(place.ledger, place.backup, { force: false });
  fillLedger(place.ledger, ...fills(6, { name: 'more' }));
  return place;
}

async function newPlaceOfVersion1(): Promise<Place> {
  const place = emptyPlace();
  const files = version1Ledger(place.ledger);
  await backupLedger(place.ledger, place.backup, { force: false });
  fillVersion1(files, ...fills(6, { name: 'more' }));
  return place;
}

function emptyPlace(): Place {
  const folder = testFolder();
  const place = { folder, ledger: join(folder, 'data', 'orders.db'), backup: join(folder, 'backup.db') };
  mkdirSync(dirname(place.ledger));
  return place;
}

function copyOf({ folder }: Place): Place {
  const copy = testFolder();
  cpSync(folder, copy, { recursive: true, verbatimSymlinks: true });
  return { folder: copy, ledger: join(copy, 'data', 'orders.db'), backup: join(copy, 'backup.db') };
}

/** Every file below a folder: its bytes and when it was changed. SQLite may write -shm when a ledger is looked at. */
function contents(folder: string): Record<string, string> {
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => !path.endsWith('-shm'))
    .toSorted();
  return Object.fromEntries(
    paths.map((path) => {
      const { ino, mtimeMs, mode } = lstatSync(path);
      const isFile = lstatSync(path).isFile();
      const bytes = isFile ? createHash('sha256').update(readFileSync(path)).digest('base64').slice(0, 12) : '';
      return [relative(folder, path), `${ino} ${mode} ${isFile ? mtimeMs : ''} ${bytes}`];
    }),
  );
}

function isRefusal(error: unknown): boolean {
  if (error instanceof OrderError) return isRefusal(error.cause);
  return (
    error instanceof LedgerRefused ||
    (error instanceof Error && 'errorName' in error && error.errorName === 'LedgerRefused')
  );
}

/** As `serve` does. */
async function start({ ledger: path }: Place, expected?: ExpectedLedger): Promise<void> {
  const observer = { opened() {}, waiting() {}, failed() {}, lost() {}, warning() {}, transaction() {} };
  const ledger = new SqliteLedger(path, { autoCreateStores: true, ...(expected && { expected }) }, observer);
  try {
    await ledger.ready();
  } finally {
    await ledger.close();
  }
}

function withStores<Result>(work: (counters: { nextOrderId: bigint; stores: ImportStaging }) => Result): Result {
  const stores = new ImportStaging();
  try {
    stores.add({ storeId: 7n, nextNumber: 500n }, 1);
    return work({ nextOrderId: 1000n, stores });
  } finally {
    stores.close();
  }
}

/** The files of a killed server, with a backup then copied over the database. */
async function putCopyOverWal(place: Place): Promise<void> {
  const killed = copyOf(place);
  const observer = { opened() {}, waiting() {}, failed() {}, lost() {}, warning() {}, transaction() {} };
  const ledger = new SqliteLedger(killed.ledger, { autoCreateStores: true }, observer);
  try {
    await ledger.ready();
    await ledger.commit([{ storeId: 1n, requestId: 'in the WAL', count: 1, caller: '' }]);
    copyOpenFiles([`${killed.ledger}-wal`, `${killed.ledger}.mark`], dirname(place.ledger));
  } finally {
    await ledger.close();
  }
  copyFileSync(place.backup, place.ledger);
}

function putOtherLedger({ ledger }: Place): void {
  copyFileSync(fillLedger(join(testFolder(), 'orders.db'), ...fills(20)).database, ledger);
}

function putOtherProgram({ ledger }: Place): void {
  rmSync(ledger);
  tamper(ledger, 'CREATE TABLE customers (name TEXT)');
}

function tearMark({ ledger }: Place): void {
  rmSync(ledger);
  truncateSync(`${ledger}.mark`, 20);
}

function removeAll({ ledger }: Place): void {
  for (const name of readdirSync(dirname(ledger))) rmSync(join(dirname(ledger), name));
}

function holdFence({ ledger }: Place): void {
  const fence = takeFence(filesOf(ledger));
  onTestFinished(() => fence.release());
}
