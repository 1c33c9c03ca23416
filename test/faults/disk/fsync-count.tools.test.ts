import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { connect } from '../../support/clients/orders-client.ts';
import { requireTools, toolPath } from '../../support/required-tool.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';

it('P4: a lone allocation causes one fsync, of the WAL, which ends before the answer', async (test) => {
  requireTools(test, 'strace');
  const folder = testFolder();
  const trace = join(folder, 'trace');
  // With --daemonize the server is a child of this process, with signals and an exit of its own.
  const wrapper = [toolPath('strace'), '--daemonize', '-f', '-y', '-e', 'trace=fsync,fdatasync', '-o', trace];
  const server = new ServerProcess(join(folder, 'orders.db'), { wrapper });
  const client = connect(await server.serving());
  onTestFinished(() => client.close());
  const synced = () =>
    readFileSync(trace, 'utf8')
      .split('\n')
      .filter((line) => /\bf(data)?sync\(/.test(line));

  // The first commit after an opening also syncs the header of the WAL.
  await client.allocateOrder({ storeId: 1n, requestId: '' });
  for (let i = 0; i < 5; i++) {
    const before = synced().length;
    await client.allocateOrder({ storeId: 1n, requestId: '' });
    expect(synced().slice(before)).toEqual([expect.stringContaining('orders.db-wal>')]);
  }
});
