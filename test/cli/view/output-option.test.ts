import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { expect, it } from 'vitest';
import type { FakeAnswers } from '../../support/clients/fake-orders-server.ts';
import { fakeAllocation, fakeOrdersServer, fakeStatus, fakeStore } from '../../support/clients/fake-orders-server.ts';
import { localOrderNumbers } from '../../support/processes/local-command.ts';
import { newToken } from '../../../src/server/security/token-text.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import { entryOf, writeTokens } from '../../support/security/tokens.ts';
import { status } from '@grpc/grpc-js';

const ALLOCATION = {
  orderId: '9007199254740993',
  storeId: '32913',
  orderNumber: '100',
  count: '1',
  displayNumber: 'A-000100/26',
  prefix: 'A-',
  suffix: '/26',
  minDigits: '6',
  requestId: 'cart-1',
  createTime: '2026-11-24T02:09:58.201Z',
  caller: 'checkout-eu',
};
const STORE = {
  storeId: '32913',
  firstNumber: '100',
  nextNumber: '9007199254740993',
  prefix: 'A-',
  suffix: '',
  minDigits: '6',
  createTime: '2026-11-24T02:09:58.201Z',
};

const ANSWERS: FakeAnswers = {
  allocateOrder: () => ({ allocation: fakeAllocation(), replayed: true }),
  getAllocation: () => ({ allocation: fakeAllocation() }),
  listAllocations: () => ({ allocations: [fakeAllocation(), fakeAllocation()], nextPageToken: '' }),
  async *watchAllocations() {
    yield { allocations: [], cursor: 0n };
    yield { allocations: [fakeAllocation()], cursor: 1n };
    // A watch without an end is ended by a refusal.
    throw fakeStatus(status.PERMISSION_DENIED, 'no more', 'STORE_FORBIDDEN');
  },
  createStore: () => ({ store: fakeStore() }),
  getStore: () => ({ store: fakeStore() }),
  updateStore: () => ({ store: fakeStore() }),
  listStores: () => ({ stores: [fakeStore(), fakeStore()], nextPageToken: '' }),
  async *verifyLedger() {
    const verdict = { asOfOrderId: 9n, rows: 8n, sequences: 2n, findings: 0n, ok: true };
    yield { event: { $case: 'verdict', value: verdict } };
  },
};

it.each([
  ['allocate --store 1 --request-id a', [{ ...ALLOCATION, replayed: 'true' }]],
  ['get --order-id 1', [ALLOCATION]],
  ['list', [ALLOCATION, ALLOCATION]],
  ['watch', [ALLOCATION]],
  ['stores create --store 1', [STORE]],
  ['stores get --store 1', [STORE]],
  ['stores update --store 1 --prefix A-', [STORE]],
  ['stores list', [STORE, STORE]],
])('%s --output csv has the fields of json, below one header', async (args, rows) => {
  const [long, short] = await inBoth('csv', args);
  expect(parse(long!, { columns: true })).toEqual(rows);
  expect(short).toBe(long);
});

it.each([
  ['get --order-id 1', '"orderId":"9007199254740993"'],
  ['list', '"orderId":"9007199254740993"'],
  ['allocate --store 1 --request-id a', '"replayed":true'],
  ['stores list', '"nextNumber":"9007199254740993"'],
  ['verify', '{"verdict":'],
])('%s --output json is --json, and --output table is the default', async (args, sign) => {
  const [long, short] = await inBoth('json', args);
  expect(long).toContain(sign);
  expect(short).toBe(long);
  const server = await fakeOrdersServer(ANSWERS);
  const run = async (...flags: string[]) => (await command(args, server, flags)).stdout;
  const table = await run('--output', 'table');
  expect(table).not.toBe(long);
  expect(await run()).toBe(table);
});

it('token list has CSV, with a list in one cell, and a header if there is no entry', async () => {
  const file = join(testFolder(), 'tokens.json');
  writeTokens(file, entryOf(newToken(), { name: 'shop', stores: ['7', '8'], verbs: ['allocate', 'read'] }));
  const row = {
    name: 'shop',
    san: '',
    stores: '7,8',
    verbs: 'allocate,read',
    expires: '',
    revoked: '',
    state: 'active',
  };
  expect(parse(await listedTokens(file), { columns: true })).toEqual([row]);
  const empty = join(testFolder(), 'tokens.json');
  writeTokens(empty);
  expect(await listedTokens(empty)).toBe(`${Object.keys(row).join()}\n`);
});

it('--output json makes errors and refusals JSON, too', async () => {
  const server = await fakeOrdersServer({
    getAllocation: () => {
      throw fakeStatus(status.NOT_FOUND, 'no allocation has order_id 1', 'ALLOCATION_NOT_FOUND');
    },
  });
  const { exitCode, stderr } = await command('get --order-id 1', server, ['--output', 'json']);
  expect(exitCode).toBe(1);
  expect(JSON.parse(stderr)).toMatchObject({ error: { reason: 'ALLOCATION_NOT_FOUND' } });
});

async function listedTokens(path: string): Promise<string> {
  return (await localOrderNumbers(['token', 'list', '--tokens', path, '--output', 'csv'])).stdout;
}

/** What a command prints with --output and this form, and with the form's short flag. */
async function inBoth(form: 'json' | 'csv', args: string): Promise<string[]> {
  const server = await fakeOrdersServer(ANSWERS);
  const long = await command(args, server, ['--output', form]);
  const short = await command(args, server, [`--${form}`]);
  return [long.stdout, short.stdout];
}

function command(args: string, server: string, flags: readonly string[]) {
  return localOrderNumbers([...args.split(' '), '--server', server, ...flags]);
}
