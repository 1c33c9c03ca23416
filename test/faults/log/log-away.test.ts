import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { freeAddress } from '../../support/network/free-address.ts';
import { connect } from '../../support/clients/orders-client.ts';
import { ORDER_NUMBERS, testFolder } from '../../support/processes/server-process.ts';
import { until } from '../../support/until.ts';

/** Lines of some 300 bytes: more than a pipe or socket holds. */
const MANY = 1500;

const CASES = [
  { name: 'on a full disk', stdout: () => openSync('/dev/full', 'w'), calls: 10, mustDrop: true },
  // Node.js reads only with a listener. Lines that wait here are dropped later (log-output.test.ts).
  { name: 'into a pipe whose reader stopped', stdout: () => 'pipe' as const, calls: MANY, mustDrop: false },
  { name: 'into a pipe whose reader is gone', stdout: () => 'closed pipe' as const, calls: 10, mustDrop: true },
];

it.each(CASES)('P10: with its log $name the server serves, counts lost lines and stops', async (test) => {
  const { stdout, calls, mustDrop } = test;
  const [grpc, metrics] = [await freeAddress(), await freeAddress()];
  const out = stdout();
  const args = ['--ledger', join(testFolder(), 'orders.db'), '--log-level', 'debug', '--http-listen', 'off'];
  const child = spawn(
    process.execPath,
    [ORDER_NUMBERS, 'serve', ...args, '--grpc-listen', grpc, '--metrics-listen', metrics],
    { stdio: ['ignore', typeof out === 'number' ? out : 'pipe', 'pipe'] },
  );
  if (typeof out === 'number') closeSync(out);
  if (out === 'closed pipe') child.stdout!.destroy();
  let stderr = '';
  child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk));
  onTestFinished(() => void child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const client = connect(grpc);
  onTestFinished(() => client.close());
  await until('it serves', () =>
    client.checkHealth().then(
      (status) => status === 'SERVING',
      () => false,
    ),
  );

  const padding = 'x'.repeat(100);
  const requests = Array.from({ length: calls }, (_, i) => ({ storeId: 1n, requestId: `${padding}-${i}` }));
  await Promise.all(requests.map((request) => client.allocateOrder(request)));
  const last = await client.allocateOrder({ storeId: 1n, requestId: 'last' });
  expect(last.allocation?.orderId).toBe(BigInt(calls + 1));
  expect(await client.checkHealth()).toBe('SERVING');
  const scrape = await (await fetch(`http://${metrics}/metrics`)).text();
  const dropped = Number(/^order_numbers_log_lines_dropped_total (\d+)$/m.exec(scrape)?.[1]);
  expect(dropped > 0).toBe(mustDrop);

  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
  expect(stderr).toBe('');
});
