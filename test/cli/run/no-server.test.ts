import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../../src/client/index.ts';
import { ENGINES } from '../../support/engines/engines.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import { localOrderNumbers as orderNumbers } from '../../support/processes/local-command.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { ORDER_NUMBERS } from '../../support/processes/server-process.ts';

it('a command that reaches no server says so, with the address and the remedy', async () => {
  const address = await freeAddress();
  const flags = ['--server', address, '--timeout-ms', '500'];
  const sentence = `no server answers at ${address}; start one, or check --server`;
  expect(await orderNumbers(['get', '--order-id', '1', ...flags])).toEqual({
    exitCode: 1,
    stdout: '',
    stderr: `error: ${sentence}\n`,
  });
  const written = await orderNumbers(['allocate', '--store', '7', '--request-id', 'cart-1', ...flags]);
  expect(written).toEqual({ exitCode: 1, stdout: '', stderr: `error: nothing was done: ${sentence}\n` });
});

it('B14: a failing proxy from the environment is reported in one line, without its URL', async () => {
  const proxy = await freeAddress();
  const env = { http_proxy: `http://user:secret@${proxy}`, no_proxy: '', NO_PROXY: '' };
  const { exitCode, stderr } = await orderNumbers(
    ['allocate', '--store', '7', '--server', 'orders.example', '--timeout-ms', '500'],
    { env },
  );
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^error: nothing was done: the proxy [\d.:]+ cannot be reached [^\n]*no_proxy[^\n]*\n$/);
  expect(stderr).not.toMatch(/undefined|secret/);
});

it('says after a second that it keeps trying, and a read gives up after two', async () => {
  const address = await freeAddress();
  const listed = await orderNumbers(['list', '--server', address]);
  expect(listed).toEqual({
    exitCode: 1,
    stdout: '',
    stderr: [
      `${address}: no server answers: connect ECONNREFUSED ${address}; retrying`,
      `error: no server answers at ${address}; start one, or check --server`,
      '',
    ].join('\n'),
  });
});

it('P7: Ctrl-C before anything was sent reports "not done"', async () => {
  const address = await freeAddress();
  const child = spawn(process.execPath, [ORDER_NUMBERS, 'allocate', '--store', '7', '--json', '--server', address], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said = createInterface({ input: child.stderr })[Symbol.asyncIterator]();
  const closed = once(child, 'close');
  expect(JSON.parse(String((await said.next()).value))).toMatchObject({
    interrupted: { server: address, code: 'UNAVAILABLE' },
  });
  child.kill('SIGINT');
  expect(JSON.parse(String((await said.next()).value))).toMatchObject({
    error: { code: 'CANCELLED', outcome: 'refused' },
  });
  await closed;
  expect(child.exitCode).toBe(1);
});

it('the client reports it in a sentence free of library internals', async () => {
  const address = await freeAddress();
  const client = createClient({ address, timeoutMs: 500 });
  const failure: unknown = await client.getStore(1).catch((error: unknown) => error);
  client.close();
  expect(failure).toMatchObject({ code: 'UNAVAILABLE', isUnreachable: true, reason: undefined });
  expect(String(failure)).toMatch(
    /: no server answers: (connect ECONNREFUSED [\d.:]+|no connection in time)( \(attempt \d+\))?$/,
  );
});

it.each(ENGINES)(
  'creating an existing store on $name is refused, and the message names the command that changes it',
  async (engine) => {
    const server = new LocalServer(await engine.newLedger());
    const create = ['stores', 'create', '--store', '7', '--server', await server.serving()];
    expect(await orderNumbers(create)).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await orderNumbers(create)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'error: store 7 already exists: change it with order-numbers stores update --store 7 (STORE_EXISTS)\n',
    });
  },
);
