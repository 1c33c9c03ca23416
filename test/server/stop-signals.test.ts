import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { killRepeatedly } from '../support/processes/repeated-signal.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import { connect } from '../support/clients/orders-client.ts';
import { ORDER_NUMBERS, ServerProcess, testFolder } from '../support/processes/server-process.ts';

it.each(['SIGTERM', 'SIGINT'] as const)('P6: %s repeated by make and npm drains without force', async (signal) => {
  const server = new ServerProcess(join(testFolder(), 'orders.db'));
  await server.serving();
  killRepeatedly(server.child, signal);
  expect(await server.exit()).toBe(0);
  expect(server.log.map(({ msg }) => msg)).toContain('stopped');
  expect(server.said()).not.toContain('forced');
});

it('a watch that gets Ctrl-C several times ends as with one', async () => {
  const address = await new LocalServer(join(testFolder(), 'orders.db')).serving();
  const client = connect(address);
  await client.allocateOrder({ storeId: 7n, requestId: '' });
  client.close();
  const args = [ORDER_NUMBERS, 'watch', '--after', '0', '--server', address];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(createInterface({ input: child.stdout }), 'line');
  const closed = once(child, 'close');
  killRepeatedly(child, 'SIGINT');
  await closed;
  expect([child.exitCode, child.signalCode]).toEqual([0, null]);
});
