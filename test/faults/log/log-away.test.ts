import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { freeAddress } from '../../support/network/free-address.ts';
import { connect, failureOf } from '../../support/clients/orders-client.ts';
import type { Patch } from '../../support/patched-modules.ts';
import { patchedBy } from '../../support/patched-modules.ts';
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
  const { child, client, metrics, said } = await start(stdout());
  const exited = once(child, 'exit');
  await Promise.all(requestsOf(calls).map((request) => client.allocateOrder(request)));
  const last = await client.allocateOrder({ storeId: 1n, requestId: 'last' });
  expect(last.allocation?.orderId).toBe(BigInt(calls + 1));
  expect(await client.checkHealth()).toBe('SERVING');
  const scrape = await (await fetch(`http://${metrics}/metrics`)).text();
  const dropped = Number(/^order_numbers_log_lines_dropped_total (\d+)$/m.exec(scrape)?.[1]);
  expect(dropped > 0).toBe(mustDrop);

  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
  expect(said()).toBe('');
});

/** A line is written at once, however long that takes. */
const WAITS: Patch = {
  file: 'src/server/log/log-output.ts',
  find: '    write(this.#fd, chunk, (error, written) => {',
  replace: `    const { writeSync } = process.getBuiltinModule('node:fs');
    const writeNow = (fd, bytes, done) => {
      for (;;) {
        try {
          return done(null, writeSync(fd, bytes));
        } catch (error) {
          if (error.code !== 'EAGAIN') return done(error, 0);
        }
      }
    };
    writeNow(this.#fd, chunk, (error, written) => {`,
};

it('control: a server that waits for its log answers nobody until somebody reads it', async () => {
  const { child, client, grpc } = await start('pipe', patchedBy([WAITS]));
  const answers = requestsOf(MANY).map((request) => client.allocateOrder(request, { deadlineMs: 2_000 }));
  expect((await Promise.allSettled(answers)).filter(({ status }) => status === 'rejected')).not.toEqual([]);
  const other = connect(grpc);
  onTestFinished(() => other.close());
  let isOpen = true;
  const health = other.checkHealth().finally(() => (isOpen = false));
  // By now nothing else is left to do.
  await failureOf(other.allocateOrder({ storeId: 1n, requestId: 'last' }, { deadlineMs: 500 }));
  expect(isOpen).toBe(true);
  child.stdout!.resume();
  expect(await health).toBe('SERVING');
});

/** A server that logs every call to a file, or to a pipe that nobody reads, or whose reader is gone. */
async function start(stdout: number | 'pipe' | 'closed pipe', env: Readonly<Record<string, string>> = {}) {
  const [grpc, metrics] = [await freeAddress(), await freeAddress()];
  const args = ['--ledger', join(testFolder(), 'orders.db'), '--log-level', 'debug', '--http-listen', 'off'];
  const child = spawn(
    process.execPath,
    [ORDER_NUMBERS, 'serve', ...args, '--grpc-listen', grpc, '--metrics-listen', metrics],
    { stdio: ['ignore', typeof stdout === 'number' ? stdout : 'pipe', 'pipe'], env: { ...process.env, ...env } },
  );
  if (typeof stdout === 'number') closeSync(stdout);
  if (stdout === 'closed pipe') child.stdout!.destroy();
  let stderr = '';
  child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk));
  onTestFinished(() => void child.kill('SIGKILL'));
  const client = connect(grpc);
  onTestFinished(() => client.close());
  await until('it serves', () =>
    client.checkHealth().then(
      (status) => status === 'SERVING',
      () => false,
    ),
  );
  return { child, client, grpc, metrics, said: () => stderr };
}

function requestsOf(calls: number) {
  return Array.from({ length: calls }, (_, i) => ({ storeId: 1n, requestId: `${'x'.repeat(100)}-${i}` }));
}
