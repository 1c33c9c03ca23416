import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { orderNumbers } from '../support/order-numbers-command.ts';

it('--version is that of the package', async () => {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  expect(await orderNumbers(['--version'])).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
});
