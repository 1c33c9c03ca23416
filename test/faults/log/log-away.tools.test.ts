import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { LogOutput } from '../../../src/server/log/log-output.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import { connect } from '../../support/clients/orders-client.ts';
import { requireTools } from '../../support/required-tool.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import { realTerminal } from '../../support/processes/terminal.ts';
import { until } from '../../support/until.ts';

/** Lines of some 250 bytes: more than a terminal and a pipe hold. */
const CALLS = 2000;

it('P10: at a terminal that was stopped (Ctrl-S) the server serves, and stops on a signal', async (test) => {
  requireTools(test, 'script', 'linux');
  const grpc = await freeAddress();
  const ledger = join(testFolder(), 'orders.db');
  const off = ['--http-listen', 'off', '--metrics-listen', 'off'];
  // The output of script is not read, so that it stops reading from the terminal.
  const script = realTerminal(['serve', '--ledger', ledger, '--grpc-listen', grpc, '--log-level', 'debug', ...off]);
  onTestFinished(() => void script.kill('SIGKILL'));
  const exited = once(script, 'exit');
  const client = connect(grpc);
  onTestFinished(() => client.close());
  await until('it serves', () =>
    client.checkHealth().then(
      (status) => status === 'SERVING',
      () => false,
    ),
  );
  const calls = Array.from({ length: CALLS }, (_, i) => client.allocateOrder({ storeId: 7n, requestId: `cart-${i}` }));
  await Promise.all(calls);
  expect(await client.checkHealth()).toBe('SERVING');
  const [server] = readFileSync(`/proc/${script.pid}/task/${script.pid}/children`, 'utf8').split(' ');
  process.kill(Number(server), 'SIGTERM');
  // The server has ended, although script, which is blocked itself, does not notice.
  await until('the server has ended', () => / Z /.test(readFileSync(`/proc/${server}/stat`, 'utf8')));
  script.stdout.resume();
  expect(await exited).toEqual([0, null]);
});

it('a line written partially to a full disk is ended before the next one', async (test) => {
  requireTools(test, 'root');
  const folder = testFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  onTestFinished(() => void execFileSync('umount', ['--lazy', folder]));
  const ballast = join(folder, 'ballast');
  writeFileSync(ballast, Buffer.alloc(48 * 1024));
  const path = join(folder, 'log');
  const fd = openSync(path, 'a');
  onTestFinished(() => closeSync(fd));
  const onRecovered = vi.fn<(dropped: number) => void>();
  const output = new LogOutput(fd, onRecovered);
  for (let i = 0; i < 40; i++) output.write(line(i));
  expect(await output.end(5000)).toBe(true);
  expect(output.dropped).toBeGreaterThan(20);
  rmSync(ballast);
  output.write('there is room\n');
  expect(await output.end(5000)).toBe(true);
  expect(onRecovered).toHaveBeenCalledExactlyOnceWith(output.dropped);
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  expect(lines.at(-1)).toBe('there is room');
  expect(lines.slice(0, 40 - output.dropped)).toEqual(
    Array.from({ length: 40 - output.dropped }, (_, i) => line(i).trimEnd()),
  );
});

function line(i: number): string {
  return `${String(i).padEnd(999, 'x')}\n`;
}
