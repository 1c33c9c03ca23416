import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '../project/documents.ts';
import { freeAddress } from '../support/network/free-address.ts';
import { ORDER_NUMBERS, ServerProcess, testFolder } from '../support/processes/server-process.ts';
import { requireTools, toolPath } from '../support/required-tool.ts';

/** The worst that systemd may say of it, in tenths: 13 are what a server needs that has a network and a compiler. */
const MAX_EXPOSURE = 13;

/** The unit as it would be with this checkout instead of an installed package. */
const UNIT = readFileSync(join(ROOT, 'ops/systemd/order-numbers.service'), 'utf8')
  .replaceAll('/usr/bin/node', process.execPath)
  .replaceAll(/\/opt\/\S+\/order-numbers\.js/g, ORDER_NUMBERS);

it('systemd finds no mistake in the unit', (test) => {
  requireTools(test, 'systemd-analyze');
  expect(analyze('verify')).toEqual({ status: 0, said: '' });
});

it('systemd finds no protection missing that the server could use', (test) => {
  requireTools(test, 'systemd-analyze');
  const { status, said } = analyze('security', '--offline=true', `--threshold=${MAX_EXPOSURE}`);
  console.log(said.trim().split('\n').at(-1));
  expect({ status, said: said.trim().split('\n').at(-1) }).toEqual({
    status: 0,
    said: expect.stringContaining('Overall exposure level'),
  });
});

it('its start ends when the server is serving, and fails when the server has ended', async () => {
  const address = await freeAddress();
  const server = new ServerProcess(join(testFolder(), 'orders.db'), { args: ['--grpc-listen', address] });
  expect(startPost(server.child.pid!, address)).toBe(0);
  expect(await server.stop()).toBe(0);
  expect(startPost(server.child.pid!, address)).toBe(1);
});

function analyze(verb: string, ...flags: string[]) {
  const unit = join(testFolder(), 'order-numbers.service');
  writeFileSync(unit, UNIT);
  const { status, stdout, stderr } = spawnSync(toolPath('systemd-analyze'), [verb, ...flags, unit], {
    encoding: 'utf8',
  });
  return { status, said: stdout + stderr };
}

/** Runs ExecStartPost as systemd does; returns its exit code. */
function startPost(mainPid: number, address: string): number | null {
  const [, script] = /^ExecStartPost=\/bin\/sh -c '(.+)'$/m.exec(UNIT)!;
  const env = { ...process.env, MAINPID: String(mainPid), ORDERS_SERVER: address };
  return spawnSync('sh', ['-c', script!.replaceAll('$$', '$')], { env, stdio: 'ignore', timeout: 50_000 }).status;
}
