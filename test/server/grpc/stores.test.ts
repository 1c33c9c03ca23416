import { describe, expect, it } from 'vitest';
import type { Store } from '../../../src/wire/gen/orders/v1/orders.ts';
import type { Engine } from '../../support/engines/engines.ts';
import { ENGINES } from '../../support/engines/engines.ts';
import { GrpcClient } from '../../support/clients/grpc-client.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { errorDetails, failureOf } from '../../support/clients/orders-client.ts';
import { ServerProcess } from '../../support/processes/server-process.ts';

const NO_STORES: readonly (readonly [name: string, reason: string, store: Partial<Store>])[] = [
  ['first_number 0', 'STORE_FIELD_INVALID', { storeId: 7n, firstNumber: 0n }],
  ['first_number below 0', 'STORE_FIELD_INVALID', { storeId: 7n, firstNumber: -1n }],
  ['a prefix of 33 characters', 'STORE_FIELD_INVALID', { storeId: 7n, prefix: 'x'.repeat(33) }],
  ['a line break in the suffix', 'STORE_FIELD_INVALID', { storeId: 7n, suffix: 'a\nb' }],
  ['an umlaut in the prefix', 'STORE_FIELD_INVALID', { storeId: 7n, prefix: 'ä' }],
  ['min_digits 20', 'STORE_FIELD_INVALID', { storeId: 7n, minDigits: 20 }],
  ['min_digits below 0', 'STORE_FIELD_INVALID', { storeId: 7n, minDigits: -1 }],
  ['store_id 0', 'STORE_ID_INVALID', { prefix: 'A' }],
  ['store_id below 0', 'STORE_ID_INVALID', { storeId: -5n }],
];

describe.each(ENGINES)('on $name', (engine) => {
  it('a store is created, shown, updated, and numbers by its settings', async () => {
    const { client } = await serve(engine);
    const made = await client.createStore({ storeId: 7n, firstNumber: 42n, prefix: 'W-', minDigits: 5 });
    expect(made).toMatchObject({
      storeId: 7n,
      firstNumber: 42n,
      nextNumber: 42n,
      prefix: 'W-',
      suffix: '',
      minDigits: 5,
    });
    expect(made.createTime!.seconds).toBeGreaterThan(1_700_000_000n);
    const first = await client.allocate(7n, 1, 'cart-1');
    expect(first.allocation).toMatchObject({ orderId: 1n, orderNumber: 42n, displayNumber: 'W-00042' });
    expect(await client.updateStore({ storeId: 7n, suffix: '/26', prefix: 'ignored' }, 'suffix')).toMatchObject({
      prefix: 'W-',
      suffix: '/26',
      nextNumber: 43n,
    });
    expect((await client.allocate(7n)).allocation.displayNumber).toBe('W-00043/26');
    // A replay shows the number as it was when it was given.
    expect(await client.allocate(7n, 1, 'cart-1')).toEqual({ ...first, replayed: true });
    expect((await client.call(client.stub.getStore, { storeId: 7n })).store).toMatchObject({ nextNumber: 44n });
  });

  it('a path of the mask without a value resets it to the default', async () => {
    const { client } = await serve(engine);
    await client.createStore({ storeId: 7n, firstNumber: 42n, prefix: 'W-' });
    expect(await client.updateStore({ storeId: 7n }, 'first_number', 'prefix')).toMatchObject({
      firstNumber: 100n,
      nextNumber: 100n,
      prefix: '',
    });
  });

  it('a store with an exhausted sequence has the next_number 0', async () => {
    const { client } = await serve(engine);
    await client.createStore({ storeId: 7n, firstNumber: 2n ** 63n - 1n });
    await client.allocate(7n);
    expect((await client.call(client.stub.getStore, { storeId: 7n })).store!.nextNumber).toBe(0n);
    expect(await reasonOf(client.allocate(7n))).toBe('SEQUENCE_EXHAUSTED');
  });

  it('invalid settings are refused, and nothing is created', async () => {
    const { client } = await serve(engine);
    for (const [name, reason, store] of NO_STORES) {
      expect([name, await reasonOf(client.createStore(store))]).toEqual([name, reason]);
    }
    expect((await client.call(client.stub.listStores, { pageSize: 0, pageToken: '' })).stores).toEqual([]);
  });

  it('settings at their bounds are valid', async () => {
    const { client } = await serve(engine);
    const most = { storeId: 2n ** 63n - 1n, firstNumber: 1n, prefix: ' ~'.repeat(16), suffix: 'x'.repeat(32) };
    expect(await client.createStore({ ...most, minDigits: 19 })).toMatchObject({ ...most, minDigits: 19 });
    const { allocation } = await client.allocate(most.storeId);
    expect(allocation.displayNumber).toBe(`${most.prefix}0000000000000000001${most.suffix}`);
  });

  it('UpdateStore refuses an empty mask, an unknown path, an unknown store', async () => {
    const { client } = await serve(engine);
    await client.createStore({ storeId: 7n });
    expect(await reasonOf(client.updateStore({ storeId: 7n }))).toBe('UPDATE_MASK_INVALID');
    for (const path of ['store_id', 'next_number', 'create_time', '*', 'Prefix', 'constructor', '']) {
      expect(await reasonOf(client.updateStore({ storeId: 7n, prefix: 'A' }, 'prefix', path))).toBe(
        'UPDATE_MASK_INVALID',
      );
    }
    expect(await reasonOf(client.updateStore({ storeId: 8n, prefix: 'A' }, 'prefix'))).toBe('STORE_NOT_FOUND');
    expect((await client.call(client.stub.getStore, { storeId: 7n })).store!.prefix).toBe('');
  });

  it('stores are listed page by page, across a restart; those created meanwhile above the end are not shown', async () => {
    const { client, server, ledger } = await serve(engine);
    for (const storeId of [5n, 1n, 9n, 3n, 7n]) await client.createStore({ storeId });
    const first = await client.call(client.stub.listStores, { pageSize: 2, pageToken: '' });
    await client.createStore({ storeId: 11n });
    expect(await server.stop()).toBe(0);
    const { client: again } = await serve(engine, { ledger });
    const pages = [first];
    while (pages.at(-1)!.nextPageToken !== '') {
      pages.push(await again.call(again.stub.listStores, { pageSize: 2, pageToken: pages.at(-1)!.nextPageToken }));
    }
    expect(pages.map(({ stores }) => stores.map(({ storeId }) => storeId))).toEqual([[1n, 3n], [5n, 7n], [9n]]);
  });

  it('P6: with --auto-create-stores=false an unknown store is STORE_NOT_FOUND and burns nothing', async () => {
    const { client, ledger } = await serve(engine, { args: ['--auto-create-stores=false'] });
    await client.createStore({ storeId: 7n });
    await client.allocate(7n);
    expect(await reasonOf(client.allocate(8n))).toBe('STORE_NOT_FOUND');
    expect(await reasonOf(client.call(client.stub.getStore, { storeId: 8n }))).toBe('STORE_NOT_FOUND');
    expect((await client.allocate(7n)).allocation).toMatchObject({ orderId: 2n, orderNumber: 101n });
    expect(await engine.assertDense(ledger)).toHaveLength(2);
  });

  it('stores created and updated while orders are numbered disturb no call, and no library complains', async () => {
    const ledger = await engine.newLedger();
    const server = new ServerProcess(ledger);
    const client = new GrpcClient(await server.serving());
    const ids = Array.from({ length: 100 }, (_, i) => BigInt(i + 1));
    const numbered = ids.map(async (storeId) => {
      for (let i = 0; i < 5; i++) await client.allocate(1000n + (storeId % 7n));
    });
    const made = ids.map(async (storeId) => {
      await client.createStore({ storeId, prefix: 'A' });
      return client.updateStore({ storeId, prefix: 'B' }, 'prefix');
    });
    expect((await Promise.all(made)).map(({ storeId, prefix }) => [storeId, prefix])).toEqual(
      ids.map((storeId) => [storeId, 'B']),
    );
    await Promise.all(numbered);
    expect(await engine.assertDense(ledger)).toHaveLength(500);
    expect(await server.stop()).toBe(0);
    expect(server.stderr).toBe('');
    expect(server.log.filter(({ msg }) => msg.includes('library'))).toEqual([]);
  });
});

interface Options {
  readonly ledger?: string;
  readonly args?: readonly string[];
}

async function serve(engine: Engine, { ledger: given, args = [] }: Options = {}) {
  const ledger = given ?? (await engine.newLedger());
  const server = new LocalServer(ledger, { args });
  return { server, ledger, client: new GrpcClient(await server.serving()) };
}

async function reasonOf(call: Promise<unknown>): Promise<string | undefined> {
  return errorDetails(await failureOf(call))?.reason;
}
