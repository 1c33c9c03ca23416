import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { connect } from '../../support/clients/orders-client.ts';
import { refusedProcess } from '../../support/processes/refused-start.ts';
import { requireTools, toolPath } from '../../support/required-tool.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';

it('P8: a second server on the same file exits at once, through another mount of its folder', async (test) => {
  requireTools(test, 'root');
  const folder = testFolder();
  const mounted = testFolder();
  execFileSync('mount', ['--bind', folder, mounted]);
  onTestFinished(() => void execFileSync('umount', ['--lazy', mounted]));
  await new ServerProcess(join(folder, 'orders.db')).serving();
  expect(await refusedProcess(join(mounted, 'orders.db'))).toContain(
    'orders.db is in use by another order-numbers process',
  );
});

it('P8: the sqlite3 shell can read while a server writes', async (test) => {
  requireTools(test, 'sqlite3');
  const ledger = join(testFolder(), 'orders.db');
  const client = connect(await new ServerProcess(ledger).serving());
  onTestFinished(() => client.close());
  for (let orders = 1; orders <= 3; orders++) {
    await client.allocateOrder({ storeId: 1n, requestId: '' });
    const query = ['-readonly', ledger, 'SELECT max(order_id), count(*) FROM allocations'];
    expect(execFileSync(toolPath('sqlite3'), query, { encoding: 'utf8' })).toBe(`${orders}|${orders}\n`);
  }
});
