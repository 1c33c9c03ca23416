import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, watch } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { assertDense } from '../../../support/ledgers/density.ts';
import { killRepeatedly } from '../../../support/processes/repeated-signal.ts';
import { fillLedger, fills, tamper } from '../../../support/ledgers/filled-ledger.ts';
import { connect } from '../../../support/clients/orders-client.ts';
import { localOrderNumbers } from '../../../support/processes/local-command.ts';
import { orderNumbers } from '../../../support/processes/order-numbers-command.ts';
import { LocalServer } from '../../../support/processes/local-server.ts';
import { ORDER_NUMBERS, testFolder } from '../../../support/processes/server-process.ts';

it('P1 P2 P8: a backup under load is dense, holds every order answered before it, and opens in a server', async () => {
  const ledger = join(testFolder(), 'orders.db');
  // Large enough that the load writes while it is copied.
  fillLedger(ledger, ...fills(50_000));
  const server = new LocalServer(ledger);
  const client = connect(await server.serving());
  const load = { isOn: true, lastOrderId: 0n };
  const call = async () => {
    while (load.isOn) {
      const { allocation } = await client.allocateOrder({ storeId: 5n, requestId: '' });
      if (allocation!.orderId > load.lastOrderId) load.lastOrderId = allocation!.orderId;
    }
  };
  const callers = Promise.all(Array.from({ length: 16 }, call));
  while (load.lastOrderId < 50_100n) await client.checkHealth();

  const folder = testFolder();
  for (const name of ['one.db', 'two.db']) {
    const before = load.lastOrderId;
    const { exitCode, stdout, stderr } = await orderNumbers([
      'backup',
      '--ledger',
      ledger,
      '--json',
      join(folder, name),
    ]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const rows = assertDense(join(folder, name));
    expect(BigInt(rows.length)).toBeGreaterThanOrEqual(before);
    expect(JSON.parse(stdout)).toMatchObject({
      ledger,
      backup: join(folder, name),
      ledgerId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      lastOrderId: String(rows.at(-1)!.order_id),
      rows: String(rows.length),
      bytes: expect.stringMatching(/^\d+$/),
    });
  }
  load.isOn = false;
  await callers;
  client.close();
  expect(await server.stop()).toBe(0);
  expect(readdirSync(folder).toSorted()).toEqual(['one.db', 'two.db']);

  const copy = join(folder, 'two.db');
  const end = BigInt(assertDense(copy).length);
  const second = new LocalServer(copy);
  const other = connect(await second.serving());
  expect((await other.allocateOrder({ storeId: 5n, requestId: 'next' })).allocation?.orderId).toBe(end + 1n);
  other.close();
});

it('a backup prints a summary as text', async () => {
  const { database } = fillLedger(join(testFolder(), 'orders.db'), ...fills(3));
  const target = join(testFolder(), 'backup.db');
  // The variable names the ledger, as for serve.
  const { exitCode, stdout } = await localOrderNumbers(['backup', target], { env: { ORDERS_LEDGER: database } });
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(
    /^ledger +.*orders\.db\nbackup +.*backup\.db\nledger_id +\S{36}\nlast_order_id +3\nrows +3\nbytes +\d+\n$/,
  );
});

it('a refusal prints one line and exits with 1', async () => {
  const folder = testFolder();
  const { exitCode, stdout, stderr } = await localOrderNumbers([
    'backup',
    '--ledger',
    join(folder, 'none.db'),
    join(folder, 'x'),
  ]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
  expect(stderr).toMatch(/^error: .*none\.db does not exist; .*\n$/);
  expect(readdirSync(folder)).toEqual([]);
});

it.each([
  ['no target', [], /missing required argument 'target'/],
  ['an unknown flag', ['x', '--fast'], /unknown option '--fast'/],
  ['a ledger that is no file', ['x', '--ledger', 'postgres://x'], /Use the path of an SQLite file/],
])('wrong usage, %s, prints one line and exits with 2', async (_, args, remedy) => {
  const { exitCode, stderr } = await localOrderNumbers(['backup', ...args]);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(remedy);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});

it('--help has examples', async () => {
  const { exitCode, stdout } = await localOrderNumbers(['backup', '--help']);
  expect(exitCode).toBe(0);
  expect(stdout).toContain('Examples:\n  order-numbers backup /');
});

it.each(['SIGINT', 'SIGTERM'] as const)(
  'a backup stopped by %s leaves nothing behind, however often the process group repeats the signal',
  async (signal) => {
    const { database } = fillLedger(join(testFolder(), 'orders.db'), ...fills(50_000));
    const target = join(testFolder(), 'backup.db');
    const appeared = temporaryOf(target);
    const child = spawn(process.execPath, [ORDER_NUMBERS, 'backup', '--ledger', database, target], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await appeared;
    killRepeatedly(child, signal);
    const [stderr] = await Promise.all([text(child.stderr), once(child, 'close')]);
    expect({ exitCode: child.exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: `error: stopped by ${signal}: nothing was changed\n`,
    });
    expect(readdirSync(dirname(target))).toEqual([]);
    expect(existsSync(`${database}.lock`)).toBe(false);
  },
);

/** Resolves when a backup to `target` has begun. */
function temporaryOf(target: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const watcher = watch(dirname(target), (_, name) => {
    if (name?.startsWith(`${basename(target)}.tmp-`)) resolve();
  });
  onTestFinished(() => watcher.close());
  return promise;
}

it('says where a ledger was moved to, by its name alone', async () => {
  const ledger = join(testFolder(), 'orders.db');
  fillLedger(ledger, ...fills(3));
  tamper(ledger, "UPDATE ledger SET sealed_to = 'postgres://orders@db1/orders (database 5 of system 7)'");
  const { exitCode, stderr } = await localOrderNumbers(['backup', '--ledger', ledger, join(testFolder(), 'copy.db')]);
  expect(exitCode).toBe(0);
  expect(stderr).toContain(`warning: ${ledger} was moved to postgres://orders@db1/orders: this is a copy`);
});
