import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { orderNumbers } from '../support/processes/order-numbers-command.ts';

it('--version prints the version of the package', async () => {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  expect(await orderNumbers(['--version'])).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
});

it.each(['--help', 'verify --help', '--version'])('a closed pipe does not make %s fail', async (args) => {
  const command = fileURLToPath(new URL('../../src/cli/order-numbers.js', import.meta.url));
  const child = spawn(process.execPath, [command, ...args.split(' ')], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  const stderr = child.stderr.toArray();
  const [exitCode] = (await once(child, 'close')) as [number | null];
  expect({ exitCode, stderr: Buffer.concat(await stderr).toString() }).toEqual({ exitCode: 0, stderr: '' });
});
