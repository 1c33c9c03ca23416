import { expect, it } from 'vitest';
import { DEFAULT_FIRST_NUMBER, INT64_MAX, newRequestId } from '../../../src/core/allocation.ts';
import type { Ledger } from '../../../src/core/ledger.ts';
import { DEFAULT_STORE } from '../../../src/core/store.ts';
import type { NewLedger } from './engine-suite.ts';

/** What every engine promises about stores. */
export function storesSuite(newLedger: NewLedger): void {
  it('a store is created with its settings, once', async () => {
    const room = newLedger();
    const ledger = await room.open();
    const settings = { storeId: INT64_MAX, firstNumber: 5000n, prefix: 'A-', suffix: '/x', minDigits: 8 };
    const store = await ledger.createStore(settings);
    expect(store).toMatchObject({ ...settings, lastNumber: 4999n });
    await expect(ledger.createStore({ ...DEFAULT_STORE, storeId: INT64_MAX })).rejects.toMatchObject({
      reason: 'STORE_EXISTS',
    });
    expect(await (await room.open()).reads.getStore(INT64_MAX)).toEqual(store);
  });

  it('P2: a store numbers from its first_number, and its rows keep the style they were allocated with', async () => {
    const ledger = await newLedger().open();
    await ledger.createStore({ storeId: 7n, firstNumber: 1n, prefix: 'A-', suffix: '', minDigits: 4 });
    const first = ask(7n);
    await ledger.commit([first]);
    await ledger.updateStore(7n, { prefix: 'B-', suffix: '!', minDigits: 0 });
    expect(await ledger.commit([ask(7n), first])).toMatchObject([
      { allocation: { orderNumber: 2n, prefix: 'B-', suffix: '!', minDigits: 0 }, replayed: false },
      { allocation: { orderNumber: 1n, prefix: 'A-', suffix: '', minDigits: 4 }, replayed: true },
    ]);
  });

  it('an update changes only what it names, and fails if the store does not exist', async () => {
    const ledger = await newLedger().open();
    await expect(ledger.updateStore(7n, { prefix: 'A' })).rejects.toMatchObject({ reason: 'STORE_NOT_FOUND' });
    expect(await ledger.reads.getStore(7n)).toBeUndefined();
    const store = await ledger.createStore({ storeId: 7n, firstNumber: 3n, prefix: 'A', suffix: 'Z', minDigits: 2 });
    expect(await ledger.updateStore(7n, {})).toEqual({ before: store, after: store });
    const plain = { ...store, suffix: '' };
    expect(await ledger.updateStore(7n, { suffix: '' })).toEqual({ before: store, after: plain });
    const later = { ...plain, firstNumber: 9n, lastNumber: 8n };
    expect(await ledger.updateStore(7n, { firstNumber: 9n })).toEqual({ before: plain, after: later });
    expect(await ledger.reads.getStore(7n)).toEqual(later);
  });

  it('of updates at the same time each is told what the one before it left', async () => {
    const ledger = await newLedger().open();
    const store = await ledger.createStore({ ...DEFAULT_STORE, storeId: 7n });
    const prefixes = Array.from({ length: 20 }, (_, i) => `${i}-`);
    const updates = await Promise.all(prefixes.map((prefix) => ledger.updateStore(7n, { prefix })));
    const nextOf = new Map(updates.map(({ before, after }) => [before.prefix, after.prefix]));
    const chain: string[] = [];
    for (let prefix = nextOf.get(store.prefix); prefix !== undefined; prefix = nextOf.get(prefix)) chain.push(prefix);
    expect(chain.toSorted()).toEqual(prefixes.toSorted());
    expect((await ledger.reads.getStore(7n))?.prefix).toBe(chain.at(-1));
  });

  it('P2: first_number is fixed from the first allocation on', async () => {
    const ledger = await newLedger().open();
    await ledger.commit([ask(7n)]);
    await expect(ledger.updateStore(7n, { firstNumber: 1n })).rejects.toMatchObject({ reason: 'FIRST_NUMBER_FIXED' });
    const numbers = { firstNumber: DEFAULT_FIRST_NUMBER, lastNumber: DEFAULT_FIRST_NUMBER };
    expect(await ledger.updateStore(7n, { firstNumber: DEFAULT_FIRST_NUMBER, prefix: 'A' })).toMatchObject({
      before: { ...numbers, prefix: '' },
      after: { ...numbers, prefix: 'A' },
    });
  });

  it('a store can begin at the last possible number', async () => {
    const ledger = await newLedger().open();
    await ledger.createStore({ ...DEFAULT_STORE, storeId: 7n, firstNumber: INT64_MAX });
    expect(await ledger.commit([ask(7n)])).toMatchObject([{ allocation: { orderNumber: INT64_MAX } }]);
    expect(await ledger.commit([ask(7n)])).toMatchObject([{ refused: { reason: 'SEQUENCE_EXHAUSTED' } }]);
  });

  it('P6: an unknown store is refused and burns nothing if stores are not created automatically', async () => {
    const ledger = await newLedger(false).open();
    await ledger.createStore({ ...DEFAULT_STORE, storeId: 7n });
    expect(await ledger.commit([ask(7n), ask(8n), ask(7n), ask(9n)])).toMatchObject([
      { allocation: { orderId: 1n, orderNumber: 100n } },
      { refused: { reason: 'STORE_NOT_FOUND' } },
      { allocation: { orderId: 2n, orderNumber: 101n } },
      { refused: { reason: 'STORE_NOT_FOUND' } },
    ]);
    expect(await ids(ledger)).toEqual([7n]);
  });

  it('stores are listed in order, including those created by an allocation', async () => {
    const ledger = await newLedger().open();
    await ledger.commit([ask(5n), ask(3n), ask(INT64_MAX)]);
    await ledger.createStore({ ...DEFAULT_STORE, storeId: 4n });
    expect(await ids(ledger)).toEqual([3n, 4n, 5n, INT64_MAX]);
    const page = await ledger.reads.listStores({ afterStoreId: 3n, upToStoreId: 5n, limit: 1 });
    expect(page).toMatchObject([{ storeId: 4n, lastNumber: 99n }]);
    expect(await ledger.reads.end()).toMatchObject({ lastOrderId: 3n, lastStoreId: INT64_MAX });
  });
}

function ask(storeId: bigint) {
  return { storeId, count: 1, requestId: newRequestId(), caller: '' };
}

async function ids({ reads }: Ledger): Promise<bigint[]> {
  const stores = await reads.listStores({ afterStoreId: 0n, upToStoreId: INT64_MAX, limit: 100 });
  return stores.map(({ storeId }) => storeId);
}
