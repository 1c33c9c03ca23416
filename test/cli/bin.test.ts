import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { testFolder } from '../support/processes/server-process.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const BIN = 'bin/order-numbers.js';
/** Pretends to be Node 18 from elsewhere, but not to the processes it starts. */
const PRETEND = `data:text/javascript,
  process.execPath = '/elsewhere/node';
  Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.8' } });`;

const run = promisify(execFile);

it('under a Node.js that is too old it runs on the one that npm installed', async () => {
  const { stdout, stderr } = await run(process.execPath, ['--import', PRETEND, join(ROOT, BIN), '--version']);
  expect({ stdout, stderr }).toEqual({ stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: '' });
});

it('the command exits as the other Node.js exits', async () => {
  const failed = run(process.execPath, ['--import', PRETEND, join(ROOT, BIN), 'nothing']);
  await expect(failed).rejects.toMatchObject({ code: 2, stderr: expect.stringMatching(/^error: unknown command/) });
});

it('in a clone without an install it says to run make run first', async () => {
  const clone = testFolder();
  for (const path of ['bin', 'src/cli', 'package.json'])
    cpSync(join(ROOT, path), join(clone, path), { recursive: true });
  await expect(run(process.execPath, [join(clone, BIN), 'serve'])).rejects.toMatchObject({
    code: 2,
    stdout: '',
    stderr: 'order-numbers: the dependencies are not installed yet: run `make run` first\n',
  });
});

it('npx prints nothing about engines', async () => {
  const { stdout, stderr } = await run('npx', ['order-numbers', '--version'], { cwd: ROOT });
  expect({ stdout, stderr }).toEqual({ stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: '' });
});

it('npm start serves, and stops on a signal', async () => {
  const flags = ['--grpc-listen', '--http-listen', '--metrics-listen'].flatMap((flag) => [flag, '127.0.0.1:0']);
  const args = ['start', '--', '--ledger', join(testFolder(), 'orders.db'), ...flags];
  const child = spawn('npm', args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const closed = once(child, 'close');
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes('"serving"')) child.kill('SIGTERM');
  }
  await closed;
  expect(child.exitCode).toBe(0);
});
