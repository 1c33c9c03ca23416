import {
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { assertDense } from '../../support/ledgers/density.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { connect } from '../../support/clients/orders-client.ts';
import { refusedStart } from '../../support/processes/refused-start.ts';
import type { LogLine } from '../../support/processes/server-process.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';

/** What the names of a ledger's files end with. */
const FILES = ['', '-wal', '.mark'];

it('P9: a missing ledger whose mark exists is refused, and no new one is created', async () => {
  const ledger = join(testFolder(), 'orders.db');
  await allocateAndStop(ledger, 3);
  rmSync(ledger);
  expect(await refusedStart(ledger)).toMatch(/orders\.db.*missing.*put the ledger back/);
  expect(existsSync(ledger)).toBe(false);
});

it('P9: an empty file in the place of a ledger is refused', async () => {
  const ledger = join(testFolder(), 'orders.db');
  await allocateAndStop(ledger, 3);
  truncateSync(ledger);
  expect(await refusedStart(ledger)).toMatch(/orders\.db.*empty.*put the ledger back/);
  expect(await refusedStart(ledger)).toMatch(/orders\.db.*empty.*put the ledger back/);
});

it('P9: an older copy put back is refused, and the newest one is served', async () => {
  const folder = testFolder();
  const ledger = join(folder, 'orders.db');
  await allocateAndStop(ledger, 3);
  copyFileSync(ledger, join(folder, 'older.db'));
  await allocateAndStop(ledger, 2);
  renameSync(ledger, join(folder, 'newest.db'));
  copyFileSync(join(folder, 'older.db'), ledger);
  expect(await refusedStart(ledger)).toMatch(/orders\.db.*ends at order_id 3, but 5 was already given/);

  renameSync(join(folder, 'newest.db'), ledger);
  await allocateAndStop(ledger, 1);
  expect(assertDense(ledger)).toHaveLength(6);
});

it('P9: the ledger of another mark is refused, even if it is longer', async () => {
  const folder = testFolder();
  const ledger = join(folder, 'orders.db');
  await allocateAndStop(ledger, 1);
  await allocateAndStop(join(folder, 'another.db'), 3);
  renameSync(join(folder, 'another.db'), ledger);
  expect(await refusedStart(ledger)).toMatch(/orders\.db.*its mark .* belongs to ledger/);
});

it('P9: the ledger of a killed server whose WAL lost its last commits is refused, and served once the WAL is restored', async () => {
  const { ledger, kept } = await killedAfterTwoCommits();
  const whole = readFileSync(`${ledger}-wal`);
  truncateSync(`${ledger}-wal`, kept);
  // Set aside, because reading it changes it.
  const lost = copyAside(ledger);
  expect(await refusedStart(lost)).toMatch(/orders\.db.*ends at order_id 1, but 2 was already given.*-wal/);

  writeFileSync(`${ledger}-wal`, whole);
  await allocateAndStop(ledger, 1);
  expect(assertDense(ledger)).toHaveLength(3);
});

it('P9: a flipped byte in the WAL, which SQLite silently ignores, is refused', async () => {
  const { ledger, kept } = await killedAfterTwoCommits();
  const wal = readFileSync(`${ledger}-wal`);
  wal[kept + 100]! ^= 1;
  writeFileSync(`${ledger}-wal`, wal);
  expect(await refusedStart(ledger)).toMatch(/orders\.db.*ends at order_id 1, but 2 was already given/);
});

it('P9: a torn mark causes a warning and is rewritten', async () => {
  const ledger = join(testFolder(), 'orders.db');
  await allocateAndStop(ledger, 3);
  const mark = readFileSync(`${ledger}.mark`, 'latin1');
  writeFileSync(`${ledger}.mark`, mark.replace('3 crc32', '9 crc32'));
  expect((await allocateAndStop(ledger, 1)).filter(isWarning)).toMatchObject([
    { msg: expect.stringMatching(/mark.*torn/) },
  ]);
  expect(readFileSync(`${ledger}.mark`, 'latin1')).toContain('last_order_id=0000000000000000004 ');
  expect((await allocateAndStop(ledger, 1)).filter(isWarning)).toEqual([]);
});

it('P9: a missing mark causes a warning and is rewritten', async () => {
  const ledger = join(testFolder(), 'orders.db');
  await allocateAndStop(ledger, 3);
  rmSync(`${ledger}.mark`);
  expect((await allocateAndStop(ledger, 1)).filter(isWarning)).toMatchObject([
    { msg: expect.stringMatching(/mark.*missing/) },
  ]);
  expect((await allocateAndStop(ledger, 1)).filter(isWarning)).toEqual([]);
});

/** Runs a server for this many allocations; returns what it logged. */
async function allocateAndStop(ledger: string, count: number): Promise<readonly LogLine[]> {
  const server = new LocalServer(ledger);
  const client = connect(await server.serving());
  for (let i = 0; i < count; i++) await client.allocateOrder({ storeId: 1n, requestId: '' });
  client.close();
  expect(await server.stop()).toBe(0);
  return server.log;
}

/** What a server left that was killed after two commits, and how long its WAL was after the first: made once. */
let killed: { readonly files: ReadonlyMap<string, Buffer>; readonly kept: number } | undefined;

/** A ledger of a killed server, in a folder of its own. */
async function killedAfterTwoCommits(): Promise<{ readonly ledger: string; readonly kept: number }> {
  killed ??= await killAfterTwoCommits();
  const ledger = join(testFolder(), 'orders.db');
  for (const [suffix, content] of killed.files) writeFileSync(`${ledger}${suffix}`, content);
  return { ledger, kept: killed.kept };
}

async function killAfterTwoCommits() {
  const ledger = join(testFolder(), 'orders.db');
  const server = new ServerProcess(ledger);
  const client = connect(await server.serving());
  onTestFinished(() => client.close());
  await client.allocateOrder({ storeId: 1n, requestId: 'kept' });
  const { size: kept } = statSync(`${ledger}-wal`);
  await client.allocateOrder({ storeId: 1n, requestId: 'lost' });
  await server.kill();
  expect(statSync(`${ledger}-wal`).size).toBeGreaterThan(kept);
  return { files: new Map(FILES.map((suffix) => [suffix, readFileSync(`${ledger}${suffix}`)])), kept };
}

/** Copies a ledger with all its files into a folder of its own. */
function copyAside(ledger: string): string {
  const copy = join(testFolder(), basename(ledger));
  for (const suffix of FILES) copyFileSync(`${ledger}${suffix}`, `${copy}${suffix}`);
  return copy;
}

function isWarning({ level }: LogLine): boolean {
  return level === 40;
}
