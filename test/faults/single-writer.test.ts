import Database from 'better-sqlite3';
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { assertDense } from '../support/density.ts';
import { freeAddress } from '../support/free-address.ts';
import type { OrdersClient } from '../support/orders-client.ts';
import { connect } from '../support/orders-client.ts';
import { refusedStart } from '../support/refused-start.ts';
import { requireTools, toolPath } from '../support/required-tool.ts';
import { ServerProcess, testFolder } from '../support/server-process.ts';

it('P8: a second server on the same file exits at once and names it, by path, by symbolic link of file or folder', async () => {
  const folder = join(testFolder(), 'real');
  mkdirSync(folder);
  const ledger = join(folder, 'orders.db');
  const first = new ServerProcess(ledger);
  const client = connectTo(await first.serving());
  await client.allocateOrder({ storeId: 1n, requestId: 'one' });

  const elsewhere = testFolder();
  symlinkSync(ledger, join(elsewhere, 'link.db'));
  symlinkSync(folder, join(elsewhere, 'linked'));
  const names = [
    ledger,
    join(folder, '..', 'real', '.', 'orders.db'),
    join(elsewhere, 'link.db'),
    join(elsewhere, 'linked', 'orders.db'),
  ];
  for (const name of names)
    expect(await refusedStart(name)).toContain(`${ledger} is in use by another order-numbers process`);

  expect((await client.allocateOrder({ storeId: 1n, requestId: 'two' })).allocation).toMatchObject({ orderId: 2n });
  expect(assertDense(ledger)).toHaveLength(2);
});

it('P8: a second server on the same file exits at once, by another mount of its folder', async (test) => {
  requireTools(test, 'root');
  const folder = testFolder();
  const mounted = testFolder();
  execFileSync('mount', ['--bind', folder, mounted]);
  onTestFinished(() => void execFileSync('umount', ['--lazy', mounted]));
  await new ServerProcess(join(folder, 'orders.db')).serving();
  expect(await refusedStart(join(mounted, 'orders.db'))).toContain(
    'orders.db is in use by another order-numbers process',
  );
});

it('P8: a file with several hard links is refused, because a server on another of them would not be noticed', async () => {
  const ledger = join(testFolder(), 'orders.db');
  const first = new ServerProcess(ledger);
  await first.serving();
  const another = join(testFolder(), 'another.db');
  linkSync(ledger, another);
  expect(await refusedStart(another)).toMatch(/another\.db has 2 hard links.*keep one name/);
  await first.stop();
  expect(await refusedStart(ledger)).toMatch(/orders\.db has 2 hard links.*keep one name/);
});

it('P8: a killed server leaves no lock behind', async () => {
  const ledger = join(testFolder(), 'orders.db');
  for (const requestId of ['one', 'two', 'three']) {
    const server = new ServerProcess(ledger);
    const client = connectTo(await server.serving());
    await client.allocateOrder({ storeId: 1n, requestId });
    await server.kill();
  }
  const last = new ServerProcess(ledger);
  await last.serving();
  expect(assertDense(ledger)).toHaveLength(3);
});

it('P8: the sqlite3 shell reads on while a server writes', async (test) => {
  requireTools(test, 'sqlite3');
  const ledger = join(testFolder(), 'orders.db');
  const client = connectTo(await new ServerProcess(ledger).serving());
  for (let orders = 1; orders <= 3; orders++) {
    await client.allocateOrder({ storeId: 1n, requestId: '' });
    const query = ['-readonly', ledger, 'SELECT max(order_id), count(*) FROM allocations'];
    expect(execFileSync(toolPath('sqlite3'), query, { encoding: 'utf8' })).toBe(`${orders}|${orders}\n`);
    expect(assertDense(ledger)).toHaveLength(orders);
  }
});

it('P4 P8: while somebody reads an old state, a restarted server says so and lets allocations wait', async () => {
  const ledger = join(testFolder(), 'orders.db');
  const first = new ServerProcess(ledger);
  const before = connectTo(await first.serving());
  await before.allocateOrder({ storeId: 1n, requestId: 'one' });
  const reader = new Database(ledger, { readonly: true });
  onTestFinished(() => void reader.close());
  reader.exec('BEGIN');
  expect(reader.prepare('SELECT last_order_id FROM ledger').pluck().get()).toBe(1);
  // What is committed now cannot leave the WAL as long as the reader needs the state before it.
  await before.allocateOrder({ storeId: 1n, requestId: 'two' });
  await first.kill();

  const address = await freeAddress();
  const second = new ServerProcess(ledger, { args: ['--grpc-listen', address] });
  const after = connectTo(address);
  expect((await second.line(/cannot be opened yet/)).msg).toContain('another process is reading an old state');
  await vi.waitFor(async () => expect(await after.checkHealth()).toBe('NOT_SERVING'), { timeout: 20_000 });
  let isPending = true;
  const replay = after.allocateOrder({ storeId: 1n, requestId: 'two' }).finally(() => (isPending = false));
  const fresh = after.allocateOrder({ storeId: 1n, requestId: 'three' });
  expect(await after.checkHealth('orders.v1.OrderNumberService')).toBe('NOT_SERVING');
  expect(isPending).toBe(true);

  reader.exec('COMMIT');
  expect(await second.serving()).toBe(address);
  expect(await replay).toMatchObject({ allocation: { orderId: 2n }, replayed: true });
  expect(await fresh).toMatchObject({ allocation: { orderId: 3n, orderNumber: 102n }, replayed: false });
  expect(await after.checkHealth()).toBe('SERVING');
  // Said once, not at every attempt.
  expect(second.log.filter(({ msg }) => msg.includes('cannot be opened yet'))).toHaveLength(1);
  expect(assertDense(ledger)).toHaveLength(3);
});

function connectTo(address: string): OrdersClient {
  const client = connect(address);
  onTestFinished(() => client.close());
  return client;
}
