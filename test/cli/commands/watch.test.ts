import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { status } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { WatchAllocationsRequest } from '../../../src/wire/gen/orders/v1/orders.ts';
import { ENGINES } from '../../support/engines/engines.ts';
import { fakeAllocation, fakeOrdersServer, fakeStatus } from '../../support/clients/fake-orders-server.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import { localOrderNumbers as orderNumbers } from '../../support/processes/local-command.ts';
import { connect } from '../../support/clients/orders-client.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { ORDER_NUMBERS } from '../../support/processes/server-process.ts';
import { SQLITE } from '../../support/engines/sqlite-engine.ts';

describe.each(ENGINES)('on $name', (engine) => {
  it('runs until SIGINT or SIGTERM, then prints where to resume, and misses nothing', async () => {
    const server = new LocalServer(await engine.newLedger());
    const address = await server.serving();
    const client = connect(address);
    onTestFinished(() => client.close());
    await client.allocateOrder({ storeId: 7n, requestId: 'a' });

    const first = watching(['--json', '--after', '0', '--server', address]);
    expect(await first.next()).toMatchObject({ orderId: '1', requestId: 'a' });
    await client.allocateOrder({ storeId: 8n, requestId: 'b' });
    expect(await first.next()).toMatchObject({ orderId: '2', requestId: 'b' });
    first.child.kill('SIGINT');
    expect(await first.end()).toEqual({ exitCode: 0, stderr: '{"cursor":"2"}\n' });

    await client.allocateOrder({ storeId: 7n, requestId: 'c' });
    const second = watching(['--json', '--after', '2', '--store', '7', '--server', address]);
    expect(await second.next()).toMatchObject({ orderId: '3', requestId: 'c' });
    second.child.kill('SIGTERM');
    expect(await second.end()).toEqual({ exitCode: 0, stderr: '{"cursor":"3"}\n' });
  });
});

it('shows people a header at once, then one line per allocation', async () => {
  const asked: WatchAllocationsRequest[] = [];
  const server = await fakeOrdersServer({
    async *watchAllocations(request, signal) {
      asked.push(request);
      yield { allocations: [], cursor: 40n };
      yield { allocations: [fakeAllocation({ orderId: 41n }), fakeAllocation({ orderId: 42n })], cursor: 50n };
      await once(signal, 'abort');
    },
  });
  const watch = watching(['--store', '7', '--server', server]);
  expect(await watch.line()).toMatch(/^ +ORDER ID +STORE /);
  expect(await watch.line()).toMatch(/^ +41 +32913 /);
  expect(await watch.line()).toMatch(/^ +42 +32913 /);
  watch.child.kill('SIGINT');
  expect(await watch.end()).toEqual({ exitCode: 0, stderr: 'resume with --after 50\n' });
  expect(asked).toEqual([{ afterOrderId: undefined, storeId: 7n }]);
});

it('ends when its reader is gone, with the cursor before the first unread allocation', async () => {
  const isClosed = Promise.withResolvers<void>();
  const server = await fakeOrdersServer({
    async *watchAllocations(_, signal) {
      yield { allocations: [fakeAllocation({ orderId: 1n })], cursor: 1n };
      await isClosed.promise;
      yield { allocations: [fakeAllocation({ orderId: 2n })], cursor: 2n };
      await once(signal, 'abort');
    },
  });
  const watch = watching(['--json', '--server', server]);
  expect(await watch.next()).toMatchObject({ orderId: '1' });
  watch.child.stdout!.destroy();
  await once(watch.child.stdout!, 'close');
  isClosed.resolve();
  expect(await watch.end()).toEqual({ exitCode: 0, stderr: '{"cursor":"1"}\n' });
});

it('a refused watch exits with 1 and prints nothing on standard output', async () => {
  const server = await fakeOrdersServer({
    watchAllocations() {
      throw fakeStatus(status.PERMISSION_DENIED, 'this token sees only its stores', 'STORE_FORBIDDEN');
    },
  });
  expect(await orderNumbers(['watch', '--server', server])).toEqual({
    exitCode: 1,
    stdout: '',
    stderr: 'error: this token sees only its stores (STORE_FORBIDDEN)\n',
  });
});

it.each([
  {
    flags: [],
    lines: ['ADDRESS: no server answers: connect ECONNREFUSED ADDRESS; retrying', 'connected to ADDRESS'],
  },
  {
    flags: ['--json'],
    lines: [
      '{"interrupted":{"server":"ADDRESS","code":"UNAVAILABLE","message":"no server answers: connect ECONNREFUSED ADDRESS"}}',
      '{"connected":"ADDRESS"}',
    ],
  },
])('reports once that no server answers, and when one does: $flags', async ({ flags, lines }) => {
  const address = await freeAddress();
  const watch = watching(['--server', address, ...flags]);
  // The first line on standard error appears long before any server.
  const said = createInterface({ input: watch.child.stderr! })[Symbol.asyncIterator]();
  const { value: first } = await said.next();
  const server = new LocalServer(await SQLITE.newLedger(), { args: ['--grpc-listen', address] });
  await server.serving();
  const { value: second } = await said.next();
  expect([first, second]).toEqual(lines.map((line) => line.replaceAll('ADDRESS', address)));
  watch.child.kill('SIGINT');
  expect((await watch.end()).exitCode).toBe(0);
});

/** A watch in a process of its own. */
function watching(args: readonly string[]) {
  const child: ChildProcess = spawn(process.execPath, [ORDER_NUMBERS, 'watch', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const stderr = text(child.stderr!);
  const closed = once(child, 'close');
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const line = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`ended without a further line: ${await stderr}`);
    return value;
  };
  return {
    child,
    line,
    next: async () => JSON.parse(await line()) as unknown,
    async end() {
      await closed;
      return { exitCode: child.exitCode, stderr: await stderr };
    },
  };
}
