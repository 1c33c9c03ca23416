import { expect, it } from 'vitest';
import { createClient } from '../../src/client/index.ts';
import { ENGINES } from '../support/engines.ts';
import { freeAddress } from '../support/free-address.ts';
import { orderNumbers } from '../support/order-numbers-command.ts';
import { ServerProcess } from '../support/server-process.ts';

it('where no server answers, a command says so with its address and the remedy', async () => {
  const address = await freeAddress();
  const flags = ['--server', address, '--timeout-ms', '500'];
  const sentence = `no server answers at ${address}: start it, or check --server`;
  expect(await orderNumbers(['get', '--order-id', '1', ...flags])).toEqual({
    exitCode: 1,
    stdout: '',
    stderr: `error: ${sentence}\n`,
  });
  const written = await orderNumbers(['allocate', '--store', '7', '--request-id', 'cart-1', ...flags]);
  expect(written).toMatchObject({ exitCode: 3, stdout: '' });
  expect(written.stderr).toContain(`error: outcome unknown: ${sentence}. Ask again with: order-numbers allocate `);
});

it("the client says it in a sentence without the library's inside", async () => {
  const address = await freeAddress();
  const client = createClient({ address, timeoutMs: 500 });
  const failure: unknown = await client.getStore(1).catch((error: unknown) => error);
  client.close();
  expect(failure).toMatchObject({ code: 'UNAVAILABLE', isUnreachable: true, reason: undefined });
  expect(String(failure)).toMatch(
    /: no server answers: (connect ECONNREFUSED [\d.:]+|there was no connection in time)( \(attempt \d+\))?$/,
  );
});

it.each(ENGINES)(
  'to make a store that is there on $name is refused, with the command that changes it',
  async (engine) => {
    const server = new ServerProcess(await engine.newLedger());
    const create = ['stores', 'create', '--store', '7', '--server', await server.serving()];
    expect(await orderNumbers(create)).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await orderNumbers(create)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'error: store 7 exists: change it with order-numbers stores update --store 7 (STORE_EXISTS)\n',
    });
  },
);
