import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { backupLedger } from '../../../../src/engines/sqlite/operator/backup.ts';
import { importCounters } from '../../../../src/engines/sqlite/operator/import-counters.ts';
import { ImportStaging } from '../../../../src/engines/sqlite/operator/import-staging.ts';
import { restoreLedger } from '../../../../src/engines/sqlite/operator/restore.ts';
import { fillLedger, fills } from '../../../support/ledgers/filled-ledger.ts';
import { requireTools } from '../../../support/required-tool.ts';
import { ORDER_NUMBERS, testFolder } from '../../../support/processes/server-process.ts';

/** A user that a server may run as; it needs no name. */
const SERVER = 1234;
const GROUP = 4321;

/** A folder that belongs to the server's user, as do the files in it. */
function serversFolder(): string {
  const folder = join(testFolder(), 'data');
  mkdirSync(folder);
  chmodSync(dirname(folder), 0o755);
  chownSync(folder, SERVER, GROUP);
  return folder;
}

/** Owner, group and permissions of every file in a folder. */
function owners(folder: string) {
  return Object.fromEntries(
    readdirSync(folder)
      .filter((name) => !name.includes('.replaced-'))
      .map((name) => {
        const { uid, gid, mode } = statSync(join(folder, name));
        return [name, `${uid}:${gid} ${(mode & 0o777).toString(8)}`];
      }),
  );
}

/** Runs `order-numbers` as a user that is not root. */
async function asUser(uid: number, ...args: readonly string[]) {
  const child = spawn(process.execPath, [ORDER_NUMBERS, ...args], {
    uid,
    gid: GROUP,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { exitCode: child.exitCode, stdout, stderr };
}

async function backup(): Promise<string> {
  const files = fillLedger(join(testFolder(), 'orders.db'), ...fills(3));
  const from = join(testFolder(), 'backup.db');
  chmodSync(dirname(from), 0o755);
  await backupLedger(files.database, from, { force: false });
  return from;
}

it('files restored by root on a new machine belong to the owner of the folder', async (test) => {
  requireTools(test, 'root');
  const folder = serversFolder();
  const ledger = join(folder, 'orders.db');
  await restoreLedger({ from: await backup(), ledger, nothingNumberedSince: true });
  const files = Object.entries(owners(folder));
  expect(files.map(([name]) => name).toSorted()).toEqual(['orders.db', 'orders.db.lock', 'orders.db.mark']);
  for (const [, owner] of files) expect(owner).toMatch(`${SERVER}:${GROUP} 6`);
  expect(await asUser(SERVER, 'verify', ledger)).toMatchObject({ exitCode: 0 });
});

it('files restored by root over a ledger keep the owner and the permissions of the replaced ones', async (test) => {
  requireTools(test, 'root');
  const from = await backup();
  const folder = serversFolder();
  const ledger = join(folder, 'orders.db');
  await restoreLedger({ from, ledger, nothingNumberedSince: true });
  for (const name of readdirSync(folder)) chmodSync(join(folder, name), 0o660);
  const before = owners(folder);
  chownSync(folder, 0, 0);
  await restoreLedger({ from, ledger, nothingNumberedSince: true });
  expect(owners(folder)).toEqual(before);
});

it('files imported by root belong to the owner of the folder, whose server can number', async (test) => {
  requireTools(test, 'root');
  const folder = serversFolder();
  const ledger = join(folder, 'orders.db');
  const stores = new ImportStaging();
  stores.add({ storeId: 7n, nextNumber: 500n }, 1);
  importCounters(ledger, { nextOrderId: 1000n, stores }, () => {});
  stores.close();
  for (const [, owner] of Object.entries(owners(folder))) expect(owner).toMatch(`${SERVER}:${GROUP} 6`);
  const csv = join(testFolder(), 'stores.csv');
  chmodSync(dirname(csv), 0o755);
  writeFileSync(csv, 'store_id,next_number\n7,501\n');
  const again = await asUser(SERVER, 'import', '--csv', csv, '--next-order-id', '1000', '--ledger', ledger, '--yes');
  expect(again).toMatchObject({ exitCode: 0, stderr: '' });
});

it.for(['restore', 'import'])(
  '%s into files of another user names the file, its owner and the remedy',
  async (command, test) => {
    requireTools(test, 'root');
    const folder = serversFolder();
    const ledger = join(folder, 'orders.db');
    const from = await backup();
    const csv = join(dirname(from), 'stores.csv');
    writeFileSync(csv, 'store_id,next_number\n7,501\n');
    const args =
      command === 'restore'
        ? ['restore', '--from', from, '--ledger', ledger, '--nothing-numbered-since']
        : ['import', '--csv', csv, '--next-order-id', '1000', '--ledger', ledger, '--yes'];
    expect(await asUser(SERVER + 1, ...args)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(
        /^error: this process may not write \S+data \(it belongs to user 1234, group 4321, and this is user 1235\); run .* as its owner, or .* chown 1235 /,
      ),
    });
    expect(existsSync(ledger)).toBe(false);
    writeFileSync(`${ledger}.lock`, '');
    chmodSync(folder, 0o777);
    expect(await asUser(SERVER + 1, ...args)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^error: this process may not write \S+orders\.db\.lock \(it belongs to user 0/),
    });
  },
);

it('a restore by a third user, who cannot change owners, names the new owner of the files', async (test) => {
  requireTools(test, 'root');
  const from = await backup();
  const folder = serversFolder();
  const ledger = join(folder, 'orders.db');
  await restoreLedger({ from, ledger, nothingNumberedSince: true });
  chmodSync(folder, 0o777);
  chmodSync(`${ledger}.lock`, 0o666);
  const restored = await asUser(SERVER + 1, 'restore', '--from', from, '--ledger', ledger);
  expect(restored).toMatchObject({
    exitCode: 0,
    stderr: expect.stringMatching(/warning: .*orders\.db and its mark now belong to user 1235, .* chown 1234 /),
  });
});
