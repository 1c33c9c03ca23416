import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it, onTestFinished } from 'vitest';
import { assertDense } from '../../../support/ledgers/density.ts';
import { fillLedger, fills } from '../../../support/ledgers/filled-ledger.ts';
import { connect } from '../../../support/clients/orders-client.ts';
import { localOrderNumbers } from '../../../support/processes/local-command.ts';
import { orderNumbers } from '../../../support/processes/order-numbers-command.ts';
import { refusedStart } from '../../../support/processes/refused-start.ts';
import { LocalServer } from '../../../support/processes/local-server.ts';
import { ORDER_NUMBERS, testFolder } from '../../../support/processes/server-process.ts';
import { atTerminal, pretendedTerminal } from '../../../support/processes/terminal.ts';

/** Made by the first test that needs it; the others copy its files. */
let made: Promise<string> | undefined;
afterAll(async () => rmSync((await made) ?? '', { recursive: true, force: true }));

/** A ledger that a server has brought to 15, and a backup of it that ends at 9, by the commands themselves. */
async function olderBackup() {
  const original = await (made ??= makeOlderBackup());
  const ledger = join(testFolder(), 'orders.db');
  const from = join(testFolder(), 'backup.db');
  for (const suffix of ['', '.mark']) copyFileSync(join(original, `orders.db${suffix}`), ledger + suffix);
  copyFileSync(join(original, 'backup.db'), from);
  return { ledger, from };
}

async function makeOlderBackup(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'order-numbers-'));
  const ledger = join(folder, 'orders.db');
  await allocate(ledger, 9, 'kept');
  const command = ['backup', '--ledger', ledger, join(folder, 'backup.db')];
  expect(await localOrderNumbers(command)).toMatchObject({ exitCode: 0 });
  await allocate(ledger, 6, 'lost');
  // Nothing is left in the WAL, which would have to be copied, too.
  expect(readdirSync(folder).toSorted()).toEqual(['backup.db', 'orders.db', 'orders.db.lock', 'orders.db.mark']);
  return folder;
}

/** Runs a server for this many calls of store 7; returns their pairs. */
async function allocate(ledger: string, count: number, name: string) {
  const server = new LocalServer(ledger);
  const client = connect(await server.serving());
  const pairs = [];
  for (let i = 0; i < count; i++) {
    const { allocation } = await client.allocateOrder({ storeId: 7n, requestId: `${name}-${i}` });
    pairs.push([allocation?.orderId, allocation?.orderNumber]);
  }
  client.close();
  expect(await server.stop()).toBe(0);
  // This process may have clients of other tests, whose proxies are gone, and whose library is the server's.
  const expected = /^created|^the gRPC library: Failed to connect to proxy/;
  expect(server.log.filter(({ level, msg }) => level >= 40 && !expected.test(msg))).toEqual([]);
  return pairs;
}

function restore(from: string, ledger: string, ...flags: string[]) {
  return localOrderNumbers(['restore', '--from', from, '--ledger', ledger, ...flags]);
}

it('P1 P2 P5 P9: a backup restored on a new machine continues where it ended', async () => {
  const { from } = await olderBackup();
  const ledger = join(testFolder(), 'orders.db');
  const { exitCode, stdout, stderr } = await restore(from, ledger, '--nothing-numbered-since');
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(stdout).toMatch(/^ledger +.*orders\.db\nledger_id +\S{36}\nlast_order_id +9\nrows +9\n$/);
  expect(await allocate(ledger, 1, 'kept')).toEqual([[1n, 100n]]);
  expect(await allocate(ledger, 1, 'next')).toEqual([[10n, 109n]]);
  expect(assertDense(ledger)).toHaveLength(10);
});

it('P9: on a new machine --continue-above declares what may have been allocated, and asks for confirmation', async () => {
  const { from } = await olderBackup();
  const folder = testFolder();
  const ledger = join(folder, 'orders.db');
  const stores = join(testFolder(), 'stores.csv');
  writeFileSync(stores, 'store_id,next_number\n7,300\n8,40\n');
  expect(await restore(from, ledger)).toMatchObject({
    exitCode: 1,
    stdout: '',
    stderr: expect.stringMatching(
      /^error: no mark .* after order_id 9 \(the backup file .*\) would be given again; .*\n$/,
    ),
  });
  const unasked = await restore(from, ledger, '--continue-above', '20', '--stores', stores);
  expect(unasked).toMatchObject({ exitCode: 1, stdout: '' });
  expect(unasked.stderr).toMatch(/order_ids 10 to 20 are recorded as lost \(11 in all\)/);
  expect(unasked.stderr).toMatch(/1 stores continue with their number in --stores, and 1 are created/);
  expect(unasked.stderr).toMatch(/\nerror: not a terminal: confirm the loss with --yes\n$/);

  const done = await restore(from, ledger, '--continue-above', '20', '--stores', stores, '--yes', '--json');
  expect(done.exitCode).toBe(0);
  expect(JSON.parse(done.stdout)).toMatchObject({
    lastOrderId: '20',
    declaredLoss: { first: '10', last: '20', skippedPerStore: '11' },
    stores: { skipped: '0', continued: '1', created: '1' },
  });
  expect(await allocate(ledger, 1, 'next')).toEqual([[21n, 300n]]);

  writeFileSync(stores, 'store_id,next_number\n7,x\n');
  const bad = await restore(from, ledger, '--continue-above', '30', '--stores', stores, '--yes');
  expect(bad.exitCode).toBe(1);
  expect(bad.stderr).toMatch(/^error: nothing was restored: errors in .*stores\.csv\n {2}line 2: next_number "x"/);
});

it('P9: an older backup is refused in one line, and the ledger stays in use', async () => {
  const { ledger, from } = await olderBackup();
  expect(await restore(from, ledger, '--yes')).toMatchObject({
    exitCode: 1,
    stdout: '',
    stderr: expect.stringMatching(/^error: the backup ends at order_id 9, but 15 was already given by .*\n$/),
  });
  expect(await allocate(ledger, 1, 'next')).toEqual([[16n, 115n]]);
});

it('P9: with an accepted loss, numbers continue above those already allocated', async () => {
  const { ledger, from } = await olderBackup();
  const asked = await restore(from, ledger, '--accept-loss');
  expect(asked).toMatchObject({ exitCode: 1, stdout: '' });
  expect(asked.stderr).toMatch(
    /order_ids 10 to 15 are .*\(6 in all\), .* \(1 in all\) skips 6 .* request_ids are forgotten/,
  );
  expect(asked.stderr).toMatch(/\nerror: not a terminal: confirm the loss with --yes\n$/);
  expect(await allocate(ledger, 1, 'lost')).toEqual([[10n, 109n]]);

  const { exitCode, stdout } = await restore(from, ledger, '--accept-loss', '--yes', '--json');
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    ledger,
    lastOrderId: '15',
    rows: '9',
    replaced: expect.stringContaining(`${ledger}.replaced-`),
    declaredLoss: { first: '10', last: '15', skippedPerStore: '6' },
  });
  expect(await allocate(ledger, 2, 'lost')).toEqual([
    [16n, 115n],
    [17n, 116n],
  ]);
  const copy = join(testFolder(), 'copy.db');
  expect(await localOrderNumbers(['backup', '--ledger', ledger, copy])).toMatchObject({ exitCode: 0 });
  // The previous ledger is kept beside it, complete.
  expect(assertDense((JSON.parse(stdout) as { replaced: string }).replaced)).toHaveLength(15);
});

it.each([
  ['y', 0],
  ['n', 1],
] as const)('at a terminal it asks: %s ends with exit code %i', async (answer, exitCode) => {
  const { ledger, from } = await olderBackup();
  const command = ['restore', '--from', from, '--ledger', ledger, '--accept-loss'];
  expect(await atTerminal(pretendedTerminal, command, '[y/N] ', answer)).toMatchObject({ exitCode });
  expect(await allocate(ledger, 1, 'next')).toEqual([[16n, 115n]]);
  expect(readdirSync(dirname(ledger)).some((name) => name.includes('.replaced-'))).toBe(exitCode === 0);
});

it('P8: a restore is refused while a server runs, and names the file', async () => {
  const { ledger, from } = await olderBackup();
  await new LocalServer(ledger).serving();
  const args = ['restore', '--from', from, '--ledger', ledger, '--accept-loss', '--yes'];
  expect(await orderNumbers(args)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/^error: .*orders\.db is in use by another order-numbers process; stop .*\n$/),
  });
});

it('P9: a missing ledger whose mark exists is restored only with a loss', async () => {
  const { ledger, from } = await olderBackup();
  rmSync(ledger);
  expect(await refusedStart(ledger)).toContain('is missing');
  expect((await restore(from, ledger)).stderr).toMatch(/but 15 was already given .* according to the mark/);
  const { exitCode, stderr } = await restore(from, ledger, '--accept-loss', '--yes');
  expect(exitCode).toBe(0);
  expect(stderr).toContain('only the mark says how far the numbers had gone');
  expect(await allocate(ledger, 1, 'next')).toEqual([[16n, 115n]]);
});

it('P9: a restore killed at any moment can be rerun, and no number is allocated twice', async () => {
  const from = join(testFolder(), 'backup.db');
  const original = fillLedger(join(testFolder(), 'orders.db'), ...fills(3000));
  expect(await localOrderNumbers(['backup', '--ledger', original.database, from])).toMatchObject({ exitCode: 0 });
  fillLedger(original.database, ...fills(50, { name: 'lost' }));

  // The files that come and go while it works.
  for (const file of ['.restore-tmp', '.restore-tmp-journal', '.mark.new', '.mark', '.db']) {
    const ledger = join(testFolder(), 'orders.db');
    copyFileSync(original.database, ledger);
    copyFileSync(original.mark, `${ledger}.mark`);
    await killWhenItTouches(ledger, file, ['restore', '--from', from, '--ledger', ledger, '--accept-loss', '--yes']);

    // A server that starts now has the old ledger or the new one, and numbers above both.
    const start = existsSync(ledger) ? String((await allocate(ledger, 1, file))[0]![0]) : await refusedStart(ledger);
    expect(start).toMatch(/^3051$|is missing or empty, but its mark/);
    const { exitCode, stderr } = await restore(from, ledger, '--accept-loss', '--yes');
    expect(stderr).not.toContain('error');
    expect(exitCode).toBe(0);
    const [pair] = await allocate(ledger, 1, 'next');
    expect(pair![0]).toBeGreaterThan(3050n);
    expect(readdirSync(dirname(ledger)).filter((name) => name.includes('restore-tmp'))).toEqual([]);
  }
});

it.each([
  ['no backup', [], /required option '--from <backup>' not specified/],
  ['stores without an end', ['--from', 'x', '--stores', 'y'], /--stores goes with --continue-above <order_id>/],
  ['two ends', ['--from', 'x', '--continue-above', '9', '--nothing-numbered-since'], /cannot be used with/],
  ['two losses', ['--from', 'x', '--continue-above', '9', '--accept-loss'], /cannot be used with/],
  ['an end that is no number', ['--from', 'x', '--continue-above', '1e3'], /'1e3' is invalid.*from 1 to/],
  ['a ledger that is no file', ['--from', 'x', '--ledger', 'postgres://x'], /Use the path of an SQLite file/],
])('wrong usage, %s, prints one line and exits with 2', async (_, args, remedy) => {
  const { exitCode, stderr } = await localOrderNumbers(['restore', ...args]);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(remedy);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});

it('--help has examples', async () => {
  const { exitCode, stdout } = await localOrderNumbers(['restore', '--help']);
  expect(exitCode).toBe(0);
  expect(stdout).toContain('Examples:\n  order-numbers restore --from');
});

/** Runs a command and kills it with kill -9 when a ledger file with this suffix is created, written or renamed. */
async function killWhenItTouches(ledger: string, file: string, args: readonly string[]): Promise<void> {
  let child: ReturnType<typeof spawn> | undefined;
  const watcher = watch(dirname(ledger), (_, name) => {
    if (name?.endsWith(file)) child?.kill('SIGKILL');
  });
  onTestFinished(() => watcher.close());
  child = spawn(process.execPath, [ORDER_NUMBERS, ...args], { stdio: 'ignore' });
  await once(child, 'close');
  watcher.close();
}
