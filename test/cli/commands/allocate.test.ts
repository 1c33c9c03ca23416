import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { status } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ENGINES } from '../../support/engines/engines.ts';
import { FAKE_TIME, fakeAllocation, fakeOrdersServer, fakeStatus } from '../../support/clients/fake-orders-server.ts';
import { localOrderNumbers as orderNumbers } from '../../support/processes/local-command.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { ORDER_NUMBERS } from '../../support/processes/server-process.ts';

function unanswered(): never {
  throw fakeStatus(status.UNAVAILABLE, 'nobody knows');
}

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

describe.each(ENGINES)('against a real server on $name', (engine) => {
  it('P1 P2 P5: numbers orders, and the same request id gets the same pair', async () => {
    const ledger = await engine.newLedger();
    const server = new LocalServer(ledger);
    const env = { ORDERS_SERVER: await server.serving() };
    const json = async (...args: string[]) => {
      const result = await orderNumbers(['allocate', '--json', ...args], { env });
      expect(result).toMatchObject({ exitCode: 0, stderr: '' });
      return JSON.parse(result.stdout) as { allocation: Record<string, unknown>; replayed: boolean };
    };
    const made = await json('--store', '7');
    expect(made).toEqual({
      allocation: {
        orderId: '1',
        storeId: '7',
        orderNumber: '100',
        count: 1,
        displayNumber: '100',
        prefix: '',
        suffix: '',
        minDigits: 0,
        requestId: expect.stringMatching(UUID_V7),
        createTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        caller: '',
      },
      replayed: false,
    });
    // Beyond what a double holds.
    const far = await json('--store', '9007199254740993', '--request-id', 'cart-1');
    expect(far).toMatchObject({ allocation: { orderId: '2', storeId: '9007199254740993' }, replayed: false });
    const again = await json('--store=9007199254740993', '--request-id=cart-1');
    expect(again).toEqual({ ...far, replayed: true });
    expect(await engine.assertDense(ledger)).toHaveLength(2);
  });
});

it('shows people one field per line', async () => {
  const server = await fakeOrdersServer({ allocateOrder: () => ({ allocation: fakeAllocation(), replayed: true }) });
  const { exitCode, stdout, stderr } = await orderNumbers(['allocate', '--store', '32913', '--server', server], {
    env: { TZ: 'Asia/Kolkata' },
  });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  const time = new Date(FAKE_TIME.getTime() + 5.5 * 3_600_000).toISOString().replace('Z', '+05:30');
  expect(stdout).toBe(
    [
      'order id        9007199254740993',
      'order number    100',
      'display number  A-000100/26',
      'store           32913',
      'request id      cart-1',
      'caller          checkout-eu',
      `created         ${time}`,
      'replayed        yes',
      '',
    ].join('\n'),
  );
});

it('requests a run and shows its first and last numbers', async () => {
  const asked: unknown[] = [];
  const server = await fakeOrdersServer({
    allocateOrders(request) {
      asked.push(request);
      return { allocation: fakeAllocation({ orderId: 5n, count: 10 }), replayed: false };
    },
  });
  const args = ['allocate', '--store', '7', '--count', '10', '--request-id', 'x', '--server', server];
  const { exitCode, stdout } = await orderNumbers(args);
  expect(exitCode).toBe(0);
  expect(asked).toEqual([{ storeId: 7n, count: 10, requestId: 'x' }]);
  expect(stdout).toMatch(
    /^order id +5 to 14\norder number +100 to 109\ndisplay number +A-000100\/26 to A-000109\/26\n/,
  );
});

describe('failures', () => {
  it('a refusal prints one line on standard error and exits with 1', async () => {
    const server = await fakeOrdersServer({
      allocateOrders() {
        throw fakeStatus(status.INVALID_ARGUMENT, 'count 5000 is not valid: it must be 1 to 1000', 'COUNT_INVALID', {
          count: '5000',
        });
      },
    });
    const args = ['allocate', '--store', '7', '--count', '5000', '--server', server];
    expect(await orderNumbers(args)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'error: count 5000 is not valid: it must be 1 to 1000 (COUNT_INVALID)\n',
    });
    const { exitCode, stdout, stderr } = await orderNumbers([...args, '--json']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: 'INVALID_ARGUMENT',
        reason: 'COUNT_INVALID',
        metadata: { count: '5000' },
        message: 'count 5000 is not valid: it must be 1 to 1000',
        outcome: 'refused',
      },
    });
  });

  it('P7: an unknown outcome exits with 3 and names the command to retry with, without the token', async () => {
    const server = await fakeOrdersServer({ allocateOrder: unanswered, allocateOrders: unanswered });
    const args = ['allocate', '--store', '7', '--server', server, '--timeout-ms', '1000', '--token', 'sekret'];
    const made = await orderNumbers(args);
    expect({ ...made, stderr: '' }).toEqual({ exitCode: 3, stdout: '', stderr: '' });
    expect(made.stderr).toMatch(/^error: outcome unknown: [^\n]*\n$/);
    expect(made.stderr).not.toContain('sekret');
    const id =
      /order-numbers allocate --store 7 --request-id (\S+) --server \S+ --token '<token>' --timeout-ms 1000\n$/;
    expect(id.exec(made.stderr)?.[1]).toMatch(UUID_V7);

    const own = ['allocate', '--store=7', '--count=2', `--server=${server}`, '--timeout-ms=1000', "--request-id=it's"];
    const { exitCode, stdout, stderr } = await orderNumbers([...own, '--json']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: '' });
    expect(JSON.parse(stderr)).toMatchObject({
      error: {
        code: 'UNAVAILABLE',
        outcome: 'unknown',
        requestId: "it's",
        repeat: String.raw`order-numbers allocate --store 7 --request-id 'it'\''s' --count 2 --server ${server} --timeout-ms 1000 --json`,
      },
    });
  });

  it('P7: the command to retry with gets the pair of the call that had no answer', async () => {
    const asked: string[] = [];
    const server = await fakeOrdersServer({
      allocateOrder({ requestId }) {
        asked.push(requestId);
        return { allocation: fakeAllocation({ requestId }), replayed: asked.indexOf(requestId) < asked.length - 1 };
      },
    });
    // The output is not read: the pair was committed, and no caller knows it.
    const unread = spawn(process.execPath, [ORDER_NUMBERS, 'allocate', '--store', '7', '--server', server], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void unread.kill('SIGKILL'));
    unread.stdout.destroy();
    const [stderr] = await Promise.all([text(unread.stderr), once(unread, 'close')]);
    expect(unread.exitCode).toBe(3);
    const repeat = /order-numbers (allocate --store 7 --request-id \S+ --server \S+)\n$/.exec(stderr)![1]!;
    const again = await orderNumbers([...repeat.split(' '), '--json']);
    expect(again.exitCode).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({ allocation: { requestId: asked[0] }, replayed: true });
  });

  it('P7: Ctrl-C before the answer is an unknown outcome', async () => {
    const called = Promise.withResolvers<void>();
    const server = await fakeOrdersServer({
      allocateOrder() {
        called.resolve();
        return new Promise(() => {});
      },
    });
    const child = spawn(
      process.execPath,
      [ORDER_NUMBERS, 'allocate', '--store', '7', '--request-id', 'cart-9', '--server', server],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    onTestFinished(() => void child.kill('SIGKILL'));
    const said = text(child.stderr);
    await called.promise;
    child.kill('SIGINT');
    await once(child, 'close');
    expect(child.exitCode).toBe(3);
    expect(await said).toMatch(/^error: outcome unknown: .*SIGINT.* --request-id cart-9 [^\n]*\n$/);
  });
});
