import { linkSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { assertDense } from '../../support/ledgers/density.ts';
import type { OrdersClient } from '../../support/clients/orders-client.ts';
import { connect } from '../../support/clients/orders-client.ts';
import { patchedBy } from '../../support/patched-modules.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { refusedProcess, refusedStart } from '../../support/processes/refused-start.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';

// Files only: any number of servers share one PostgreSQL.

it('P8: a second server on the same file exits at once and names it, by path or by symbolic link to file or folder', async () => {
  const folder = join(testFolder(), 'real');
  mkdirSync(folder);
  const ledger = join(folder, 'orders.db');
  const first = new ServerProcess(ledger);
  const client = connectTo(await first.serving());
  await client.allocateOrder({ storeId: 1n, requestId: 'one' });

  const elsewhere = testFolder();
  symlinkSync(ledger, join(elsewhere, 'link.db'));
  symlinkSync(folder, join(elsewhere, 'linked'));
  const inUse = `${ledger} is in use by another order-numbers process`;
  expect(await refusedProcess(ledger)).toContain(inUse);
  const otherNames = [
    join(folder, '..', 'real', '.', 'orders.db'),
    join(elsewhere, 'link.db'),
    join(elsewhere, 'linked', 'orders.db'),
  ];
  for (const name of otherNames) expect(await refusedStart(name)).toContain(inUse);

  expect((await client.allocateOrder({ storeId: 1n, requestId: 'two' })).allocation).toMatchObject({ orderId: 2n });
  expect(assertDense(ledger)).toHaveLength(2);
});

it('control: without the lock a second server serves the same file', async () => {
  const ledger = join(testFolder(), 'orders.db');
  const env = patchedBy([
    { file: 'src/engines/sqlite/file/exclusive-lock.ts', find: "lock.exec('BEGIN EXCLUSIVE');", replace: '' },
  ]);
  await new ServerProcess(ledger, { env }).serving();
  await expect(refusedProcess(ledger, { env })).rejects.toThrow(/expected '127.0.0.1:\d+' to be 1/);
});

it('P8: a file with several hard links is refused, because a server on another link would not be noticed', async () => {
  const ledger = join(testFolder(), 'orders.db');
  const first = new LocalServer(ledger);
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
  await new LocalServer(ledger).serving();
  expect(assertDense(ledger)).toHaveLength(3);
});

it('P8: another program can read while a server writes', async () => {
  const ledger = join(testFolder(), 'orders.db');
  const client = connectTo(await new ServerProcess(ledger).serving());
  for (let orders = 1; orders <= 3; orders++) {
    await client.allocateOrder({ storeId: 1n, requestId: '' });
    expect(assertDense(ledger)).toHaveLength(orders);
  }
});

function connectTo(address: string): OrdersClient {
  const client = connect(address);
  onTestFinished(() => client.close());
  return client;
}
