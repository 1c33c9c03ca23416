import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { status } from '@grpc/grpc-js';
import { parse } from 'csv-parse/sync';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ListAllocationsRequest } from '../../../src/wire/gen/orders/v1/orders.ts';
import { ENGINES } from '../../support/engines/engines.ts';
import {
  FAKE_TIME,
  fakeAllocation,
  fakeOrdersServer,
  fakeStatus,
  fakeStore,
} from '../../support/clients/fake-orders-server.ts';
import { localOrderNumbers } from '../../support/processes/local-command.ts';
import { orderNumbers } from '../../support/processes/order-numbers-command.ts';
import { SQLITE } from '../../support/engines/sqlite-engine.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { ORDER_NUMBERS, testFolder } from '../../support/processes/server-process.ts';

const ALLOCATION_JSON = {
  orderId: '9007199254740993',
  storeId: '32913',
  orderNumber: '100',
  count: 1,
  displayNumber: 'A-000100/26',
  prefix: 'A-',
  suffix: '/26',
  minDigits: 6,
  requestId: 'cart-1',
  createTime: FAKE_TIME.toISOString(),
  caller: 'checkout-eu',
};
const STORE_JSON = {
  storeId: '32913',
  firstNumber: '100',
  nextNumber: '9007199254740993',
  prefix: 'A-',
  suffix: '',
  minDigits: 6,
  createTime: FAKE_TIME.toISOString(),
};

describe('get', () => {
  it('looks up by each key and shows the allocation', async () => {
    const keys: unknown[] = [];
    const server = await fakeOrdersServer({
      getAllocation({ key }) {
        keys.push(key);
        return { allocation: fakeAllocation() };
      },
    });
    const base = ['get', '--server', server];
    const byOrderId = await localOrderNumbers([...base, '--order-id', '9223372036854775807', '--json']);
    const byNumber = await localOrderNumbers([...base, '--store', '7', '--order-number', '0100']);
    const byRequest = await localOrderNumbers([...base, '--store', '7', '--request-id', 'cart-1', '--json']);
    expect([byOrderId, byNumber, byRequest].map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual(
      Array.from({ length: 3 }, () => [0, '']),
    );
    expect(keys).toEqual([
      { $case: 'orderId', value: 9223372036854775807n },
      { $case: 'orderNumber', value: { storeId: 7n, orderNumber: 100n } },
      { $case: 'requestId', value: { storeId: 7n, requestId: 'cart-1' } },
    ]);
    expect(JSON.parse(byOrderId.stdout)).toEqual(ALLOCATION_JSON);
    expect(byNumber.stdout).toMatch(
      /^order id +9007199254740993\n[^]*request id +cart-1\ncaller +checkout-eu\ncreated +\S+\n$/,
    );
  });

  it('a missing allocation exits with 1 and its reason, and text from a server moves no cursor', async () => {
    const server = await fakeOrdersServer({
      getAllocation() {
        throw fakeStatus(status.NOT_FOUND, 'no allocation\n\u001B[2Jhere', 'ALLOCATION_NOT_FOUND');
      },
    });
    expect(await localOrderNumbers(['get', '--order-id', '7', '--server', server])).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'error: no allocation [2Jhere (ALLOCATION_NOT_FOUND)\n',
    });
  });
});

describe('list', () => {
  it('fetches page after page, only as many as it shows', async () => {
    const { server, asked } = await manyAllocations(2500);
    const all = await localOrderNumbers(['list', '--json', '--server', server]);
    expect(all).toMatchObject({ exitCode: 0, stderr: '' });
    const ids = lines(all.stdout).map((line) => (JSON.parse(line) as { orderId: string }).orderId);
    expect(ids).toEqual(Array.from({ length: 2500 }, (_, i) => String(i + 1)));
    expect(asked.map(({ pageSize, pageToken, storeId }) => [pageSize, pageToken, storeId])).toEqual([
      [1000, '', undefined],
      [1000, '1000', undefined],
      [1000, '2000', undefined],
    ]);
    asked.length = 0;
    const few = await localOrderNumbers(['list', '--json', '--limit', '3', '--store', '7', '--server', server]);
    expect(lines(few.stdout)).toHaveLength(3);
    expect(asked).toMatchObject([{ pageSize: 3, pageToken: '', storeId: 7n }]);
  });

  it('shows people aligned columns under one header', async () => {
    const allocations = [
      fakeAllocation({ orderId: 1n }),
      fakeAllocation({ storeId: 9223372036854775807n, displayNumber: 'x'.repeat(20) }),
      fakeAllocation({ orderId: 3n }),
    ];
    const server = await fakeOrdersServer({ listAllocations: () => ({ allocations, nextPageToken: '' }) });
    const { stdout } = await localOrderNumbers(['list', '--server', server], { env: { TZ: 'UTC' } });
    const time = FAKE_TIME.toISOString().replace('Z', '+00:00');
    expect(lines(stdout)).toEqual([
      '  ORDER ID       STORE      NUMBER  COUNT  DISPLAY NUMBER  CREATED                        REQUEST ID  CALLER',
      `         1       32913         100      1  A-000100/26     ${time}  cart-1      checkout-eu`,
      `9007199254740993  9223372036854775807         100      1  ${'x'.repeat(20)}  ${time}  cart-1      checkout-eu`,
      `               3                32913         100      1  A-000100/26           ${time}  cart-1      checkout-eu`,
    ]);
  });

  it('writes CSV from which every value can be read back', async () => {
    const odd = { prefix: '"A", ', suffix: "1+1='", displayNumber: `"A", 1001+1='`, caller: '."a", b' };
    const server = await fakeOrdersServer({
      listAllocations: () => ({ allocations: [fakeAllocation(odd), fakeAllocation()], nextPageToken: '' }),
    });
    const { stdout } = await localOrderNumbers(['list', '--csv', '--server', server]);
    const asText = { ...ALLOCATION_JSON, count: '1', minDigits: '6' };
    expect(parse(stdout, { columns: true })).toEqual([{ ...asText, ...odd }, asText]);
    // Columns of earlier releases keep their places.
    expect(stdout).toMatch(/^orderId,.*,requestId,createTime,caller\n/);
    const empty = await fakeOrdersServer({ listAllocations: () => ({ allocations: [], nextPageToken: '' }) });
    expect((await localOrderNumbers(['list', '--csv', '--server', empty])).stdout).toBe(stdout.split('\n')[0] + '\n');
  });

  it('writes no caller to CSV that a spreadsheet would run', async () => {
    const allocations = [fakeAllocation({ caller: '-nightly' }), fakeAllocation({ caller: "=cmd|' /C calc'!A0" })];
    const server = await fakeOrdersServer({ listAllocations: () => ({ allocations, nextPageToken: '' }) });
    const { stdout } = await localOrderNumbers(['list', '--csv', '--server', server]);
    expect(parse(stdout, { columns: true })).toMatchObject([
      { caller: "'-nightly" },
      { caller: "'=cmd|' /C calc'!A0" },
    ]);
  });

  it('lists nothing for a store that does not exist, and says why', async () => {
    const address = await new LocalServer(join(testFolder(), 'orders.db')).serving();
    const list = (...args: string[]) => localOrderNumbers(['list', ...args, '--server', address]);
    await localOrderNumbers(['stores', 'create', '--store', '7', '--server', address]);
    // The reason and the words are those of stores get.
    const missing = await localOrderNumbers(['stores', 'get', '--store', '99', '--server', address]);
    expect(missing).toMatchObject({
      exitCode: 1,
      stdout: '',
      stderr: expect.stringContaining('create it first (STORE_NOT_FOUND)'),
    });
    for (const args of [[], ['--csv'], ['--last', '3'], ['--after', '5']]) {
      expect(await list('--store', '99', ...args)).toEqual(missing);
    }
    const { exitCode, stdout, stderr } = await list('--store', '99', '--json');
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(JSON.parse(stderr)).toMatchObject({ error: { reason: 'STORE_NOT_FOUND' } });
    expect(await list('--store', '7', '--csv')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^orderId,[^\n]+\n$/),
    });
    expect(await list('--store', '7')).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it('ends silently when its reader closes the pipe', async () => {
    const { server, asked } = await manyAllocations(100_000);
    const child = spawn(process.execPath, [ORDER_NUMBERS, 'list', '--server', server], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const said = text(child.stderr);
    await once(child.stdout, 'readable');
    child.stdout.destroy();
    await once(child, 'close');
    expect({ exitCode: child.exitCode, stderr: await said }).toEqual({ exitCode: 0, stderr: '' });
    expect(asked.length).toBeLessThan(100);
  });

  it('rows before a failure are shown, and the failure exits with 1', async () => {
    const server = await fakeOrdersServer({
      listAllocations({ pageToken }) {
        if (pageToken !== '') throw fakeStatus(status.DATA_LOSS, 'the ledger is damaged', 'LEDGER_DAMAGED');
        return { allocations: [fakeAllocation()], nextPageToken: 'next' };
      },
    });
    const { exitCode, stdout, stderr } = await localOrderNumbers(['list', '--json', '--server', server]);
    expect(exitCode).toBe(1);
    expect(JSON.parse(stderr)).toMatchObject({ error: { reason: 'LEDGER_DAMAGED', code: 'DATA_LOSS' } });
    expect(lines(stdout).map((line) => JSON.parse(line) as unknown)).toEqual([ALLOCATION_JSON]);
  });
});

describe('stores', () => {
  it('create sends the given settings and shows the store', async () => {
    const asked: unknown[] = [];
    const server = await fakeOrdersServer({
      createStore({ store }) {
        asked.push(store);
        return { store: fakeStore({ nextNumber: 0n }) };
      },
    });
    const args = ['stores', 'create', '--store', '32913', '--server', server];
    const style = ['--first-number', '5000', '--prefix', '-A', '--suffix', '', '--min-digits', '6'];
    const { exitCode, stdout, stderr } = await localOrderNumbers([...args, ...style]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(
      /^store +32913\nfirst number +100\nnext number +used up\nprefix +A-\nsuffix\nmin digits +6\n/,
    );
    expect(JSON.parse((await localOrderNumbers([...args, '--json'])).stdout)).toEqual({
      ...STORE_JSON,
      nextNumber: '0',
    });
    expect(asked).toMatchObject([
      { storeId: 32913n, firstNumber: 5000n, prefix: '-A', suffix: '', minDigits: 6 },
      { storeId: 32913n, firstNumber: undefined, prefix: '', suffix: '', minDigits: 0 },
    ]);
  });

  it('P7: a create without an answer exits with 3 and says how to check', async () => {
    const server = await fakeOrdersServer({
      createStore() {
        throw fakeStatus(status.UNAVAILABLE, 'nobody knows', 'OUTCOME_UNKNOWN');
      },
    });
    const args = ['stores', 'create', '--store', '7', '--server', server, '--timeout-ms', '3000'];
    const { exitCode, stdout, stderr } = await orderNumbers(args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: '' });
    expect(stderr).toMatch(/^error: outcome unknown: nobody knows[^\n]*order-numbers stores get --store 7\n$/);
  });

  it('get shows one', async () => {
    const server = await fakeOrdersServer({ getStore: ({ storeId }) => ({ store: fakeStore({ storeId }) }) });
    const { stdout } = await localOrderNumbers(['stores', 'get', '--store', '8', '--json', '--server', server]);
    expect(JSON.parse(stdout)).toEqual({ ...STORE_JSON, storeId: '8' });
  });

  it('list shows all, page after page', async () => {
    const pages: string[] = [];
    const server = await fakeOrdersServer({
      listStores({ pageToken }) {
        pages.push(pageToken);
        return {
          stores: [fakeStore({ storeId: BigInt(pages.length) })],
          nextPageToken: pages.length < 3 ? 'more' : '',
        };
      },
    });
    const { stdout } = await localOrderNumbers(['stores', 'list', '--server', server]);
    expect(lines(stdout).map((line) => line.trim().split(/ +/)[0])).toEqual(['STORE', '1', '2', '3']);
    expect(pages).toEqual(['', 'more', 'more']);
    const json = await localOrderNumbers(['stores', 'list', '--json', '--server', server]);
    expect(JSON.parse(json.stdout)).toEqual({ ...STORE_JSON, storeId: '4' });
  });

  it('update changes the named settings and nothing else', async () => {
    const asked: unknown[] = [];
    const server = await fakeOrdersServer({
      updateStore(request) {
        asked.push([request.store?.prefix, request.updateMask]);
        return { store: fakeStore() };
      },
    });
    const { exitCode } = await localOrderNumbers([
      'stores',
      'update',
      '--store',
      '7',
      '--prefix',
      '',
      '--server',
      server,
    ]);
    expect(exitCode).toBe(0);
    expect(asked).toEqual([['', ['prefix']]]);
  });
});

it.each(ENGINES)('P1 P2: a real server on $name lists, finds and shows what was created', async (engine) => {
  const server = new LocalServer(await engine.newLedger());
  const env = { ORDERS_SERVER: await server.serving() };
  // A command does not know the engine of its server: that its process comes to its end once, on one, is enough.
  const seen = new Set<string | undefined>();
  const command: typeof localOrderNumbers = (args, options) => {
    const isFirst = engine === SQLITE && !seen.has(args[0]);
    seen.add(args[0]);
    return (isFirst ? orderNumbers : localOrderNumbers)(args, options);
  };
  const json = async (...args: string[]) => {
    const { exitCode, stdout, stderr } = await command([...args, '--json'], { env });
    expect({ args, exitCode, stderr }).toEqual({ args, exitCode: 0, stderr: '' });
    return lines(stdout).map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  const store = ['--store', '9007199254740993'];
  const [made] = await json('stores', 'create', ...store, '--first-number', '5000', '--prefix', 'A-');
  expect(made).toMatchObject({ storeId: '9007199254740993', firstNumber: '5000', nextNumber: '5000', prefix: 'A-' });
  const [run] = await json('allocate', ...store, '--count', '1000', '--request-id', 'cart-1');
  const allocation = { orderId: '1', orderNumber: '5000', count: 1000, displayNumber: 'A-5000', requestId: 'cart-1' };
  expect(run).toMatchObject({ allocation, replayed: false });
  await json('stores', 'update', ...store, '--prefix', '', '--min-digits', '6');
  await json('allocate', ...store);
  const next = { orderId: '1001', orderNumber: '6000', count: 1, displayNumber: '006000' };
  expect(await json('list')).toMatchObject([allocation, next]);
  expect(await json('list', ...store, '--limit', '1')).toMatchObject([allocation]);
  expect(await json('get', ...store, '--order-number', '5999')).toMatchObject([allocation]);
  expect(await json('get', '--order-id', '1001')).toMatchObject([next]);
  expect(await json('stores', 'list')).toEqual(await json('stores', 'get', ...store));
  expect((await json('verify')).at(-1)).toMatchObject({ verdict: { ok: true, rows: '2', asOfOrderId: '1001' } });
  const fixed = await command(['stores', 'update', ...store, '--first-number', '1'], { env });
  expect(fixed).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/\(FIRST_NUMBER_FIXED\)\n$/) });
  const tooMany = await command(['allocate', ...store, '--count', '1001'], { env });
  expect(tooMany).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/1 to 1000.*\(COUNT_INVALID\)\n$/) });
});

function lines(stdout: string): string[] {
  return stdout.split('\n').slice(0, -1);
}

/** A server with this many allocations, 1, 2, 3, …, in pages, and the requests it got. */
async function manyAllocations(total: number) {
  const asked: ListAllocationsRequest[] = [];
  const server = await fakeOrdersServer({
    listAllocations(request) {
      asked.push(request);
      const after = Number(request.pageToken);
      const length = Math.min(request.pageSize, total - after);
      const allocations = Array.from({ length }, (_, i) => fakeAllocation({ orderId: BigInt(after + i + 1) }));
      return { allocations, nextPageToken: after + length < total ? String(after + length) : '' };
    },
  });
  return { server, asked };
}
