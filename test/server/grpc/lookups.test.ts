import { describe, expect, it } from 'vitest';
import type { GetAllocationRequest, ListAllocationsRequest } from '../../../src/wire/gen/orders/v1/orders.ts';
import type { Engine } from '../../support/engines/engines.ts';
import { ENGINES } from '../../support/engines/engines.ts';
import { GrpcClient } from '../../support/clients/grpc-client.ts';
import { errorDetails, failureOf } from '../../support/clients/orders-client.ts';
import { LocalServer } from '../../support/processes/local-server.ts';

/** Keys of a ledger in which store 7 has the order_id 1, the number 100 and the request a. */
const WITHOUT_ALLOCATION: readonly (readonly [reason: string, key: GetAllocationRequest['key']])[] = [
  ['KEY_MISSING', undefined],
  ['ORDER_ID_INVALID', { $case: 'orderId', value: 0n }],
  ['ORDER_ID_INVALID', { $case: 'orderId', value: -1n }],
  ['ORDER_ID_INVALID', { $case: 'orderNumber', value: { storeId: 7n, orderNumber: 0n } }],
  ['STORE_ID_INVALID', { $case: 'orderNumber', value: { storeId: 0n, orderNumber: 100n } }],
  ['STORE_ID_INVALID', { $case: 'requestId', value: { storeId: -1n, requestId: 'a' } }],
  ['REQUEST_ID_INVALID', { $case: 'requestId', value: { storeId: 7n, requestId: '' } }],
  ['ALLOCATION_NOT_FOUND', { $case: 'orderId', value: 2n }],
  ['ALLOCATION_NOT_FOUND', { $case: 'orderNumber', value: { storeId: 7n, orderNumber: 101n } }],
  ['ALLOCATION_NOT_FOUND', { $case: 'requestId', value: { storeId: 7n, requestId: 'b' } }],
];

describe.each(ENGINES)('on $name', (engine) => {
  it('P1 P2 P5: a run is consecutive in both sequences, one row, replayed as a whole, and refused with another count', async () => {
    const { client, ledger } = await serve(engine);
    await client.allocate(7n);
    const run = await client.allocate(7n, 1000, 'run-1');
    expect(run).toMatchObject({ allocation: { orderId: 2n, orderNumber: 101n, count: 1000 }, replayed: false });
    expect(await client.allocate(7n, 1000, 'run-1')).toEqual({ ...run, replayed: true });
    const failure = await failureOf(client.allocate(7n, 999, 'run-1'));
    expect(errorDetails(failure)).toMatchObject({
      reason: 'REQUEST_ID_MISMATCH',
      metadata: { count: '999', original_count: '1000' },
    });
    // AllocateOrder is AllocateOrders with the count 1, in the same key space.
    const one = await client.call(client.stub.allocateOrder, { storeId: 7n, requestId: 'one' });
    expect(await client.allocate(7n, 1, 'one')).toEqual({ ...one, replayed: true });
    expect(await reasonOf(client.call(client.stub.allocateOrder, { storeId: 7n, requestId: 'run-1' }))).toBe(
      'REQUEST_ID_MISMATCH',
    );
    expect((await client.allocate(7n)).allocation).toMatchObject({ orderId: 1003n, orderNumber: 1102n });
    expect(await engine.assertDense(ledger)).toHaveLength(4);
  });

  it('P6: a count out of range is COUNT_INVALID and burns nothing', async () => {
    const { client } = await serve(engine);
    for (const count of [0, -1, 1001, 2_147_483_647]) {
      expect([count, await reasonOf(client.allocate(7n, count))]).toEqual([count, 'COUNT_INVALID']);
    }
    expect((await client.allocate(7n)).allocation.orderId).toBe(1n);
  });

  it('GetAllocation finds a run by each of its numbers and by its request', async () => {
    const { client } = await serve(engine);
    await client.allocate(7n);
    const { allocation: run } = await client.allocate(8n, 3, 'run');
    const keys: GetAllocationRequest['key'][] = [
      ...[2n, 3n, 4n].map((value) => ({ $case: 'orderId', value }) as const),
      ...[100n, 101n, 102n].map(
        (orderNumber) => ({ $case: 'orderNumber', value: { storeId: 8n, orderNumber } }) as const,
      ),
      { $case: 'requestId', value: { storeId: 8n, requestId: 'run' } },
    ];
    for (const key of keys) expect((await client.call(client.stub.getAllocation, { key })).allocation).toEqual(run);
  });

  it('GetAllocation reports what is wrong with a key, and what does not exist', async () => {
    const { client } = await serve(engine);
    await client.allocate(7n, 1, 'a');
    for (const [reason, key] of WITHOUT_ALLOCATION) {
      expect([key, await reasonOf(client.call(client.stub.getAllocation, { key }))]).toEqual([key, reason]);
    }
  });

  it('INVALID_ARGUMENT names the invalid fields by their paths', async () => {
    const { client } = await serve(engine);
    const byNumber = { $case: 'orderNumber', value: { storeId: 0n, orderNumber: 100n } } as const;
    const wrong: readonly (readonly [field: string, call: Promise<unknown>])[] = [
      ['store_id', client.allocate(0n)],
      ['before_order_id', client.listAllocations({ beforeOrderId: 0n })],
      ['order_number.store_id', client.call(client.stub.getAllocation, { key: byNumber })],
      ['key', client.call(client.stub.getAllocation, { key: undefined })],
      ['store.prefix', client.createStore({ storeId: 7n, prefix: 'x'.repeat(33) })],
    ];
    for (const [field, call] of wrong) {
      const error = await failureOf(call);
      const { reason, violations } = errorDetails(error)!;
      expect(violations).toEqual([{ field, description: error.details, reason }]);
    }
  });

  it('ListAllocations returns every allocation once, page by page, up to the end seen by the first page', async () => {
    const { client, server, ledger } = await serve(engine);
    for (let i = 0; i < 7; i++) await client.allocate(BigInt((i % 2) + 1), i + 1);
    const first = await client.listAllocations({ pageSize: 3 });
    await client.allocate(9n);
    expect(await server.stop()).toBe(0);
    const { client: again } = await serve(engine, ledger);
    const pages = [first];
    while (pages.at(-1)!.nextPageToken !== '') {
      pages.push(await again.listAllocations({ pageSize: 3, pageToken: pages.at(-1)!.nextPageToken }));
    }
    expect(pages.map(({ allocations }) => allocations.map(({ count }) => count))).toEqual([[1, 2, 3], [4, 5, 6], [7]]);
    const ofOne = await again.listAllocations({ storeId: 2n, pageSize: 1000 });
    expect(ofOne.allocations.map(({ count }) => count)).toEqual([2, 4, 6]);
    expect(ofOne.nextPageToken).toBe('');
    expect((await again.listAllocations()).allocations).toHaveLength(8);
  });

  it('ListAllocations goes back from the end, and between two order_ids, page by page', async () => {
    const { client } = await serve(engine);
    // The order_ids 1, 2 to 3, 4 to 6, 7 to 10, 11 to 15.
    for (let i = 1; i <= 5; i++) await client.allocate(BigInt((i % 2) + 1), i);
    const counts = async (request: Partial<ListAllocationsRequest>, pageSize: number) => {
      const pages: number[][] = [];
      let pageToken = '';
      do {
        const page = await client.listAllocations({ ...request, pageSize, pageToken });
        pages.push(page.allocations.map(({ count }) => count));
        if (pageToken === '') await client.allocate(9n, 7);
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      return pages;
    };
    expect(await counts({ newestFirst: true }, 2)).toEqual([[5, 4], [3, 2], [1]]);
    expect(await counts({ beforeOrderId: 16n, newestFirst: true, storeId: 2n }, 1)).toEqual([[5], [3], [1]]);
    // A run that overlaps the range is included as a whole.
    expect(await counts({ afterOrderId: 5n, beforeOrderId: 12n }, 2)).toEqual([[3, 4], [5]]);
    expect(await counts({ afterOrderId: 5n, beforeOrderId: 12n, newestFirst: true }, 2)).toEqual([[5, 4], [3]]);
    expect(await counts({ afterOrderId: 6n, beforeOrderId: 11n }, 2)).toEqual([[4]]);
    expect(await counts({ afterOrderId: 0n, beforeOrderId: 1n }, 2)).toEqual([[]]);
    expect(await counts({ afterOrderId: 9223372036854775807n, newestFirst: true }, 2)).toEqual([[]]);
    expect(await counts({ afterOrderId: 12n, beforeOrderId: 3n }, 2)).toEqual([[]]);
    for (const bounds of [{ afterOrderId: -1n }, { beforeOrderId: 0n }, { beforeOrderId: -1n }]) {
      expect(await reasonOf(client.listAllocations(bounds))).toBe('ORDER_ID_INVALID');
    }
  });

  it('a page token is valid for its own list only', async () => {
    const { client } = await serve(engine);
    for (let i = 0; i < 3; i++) await client.allocate(7n);
    const { nextPageToken } = await client.listAllocations({ storeId: 7n, pageSize: 1 });
    const wrong = [
      { pageToken: nextPageToken },
      { storeId: 8n, pageToken: nextPageToken },
      { storeId: 7n, newestFirst: true, pageToken: nextPageToken },
      { storeId: 7n, afterOrderId: 0n, pageToken: nextPageToken },
      { storeId: 7n, beforeOrderId: 4n, pageToken: nextPageToken },
      { storeId: 7n, pageToken: `${nextPageToken}A` },
      { storeId: 7n, pageToken: nextPageToken.slice(1) },
      { storeId: 7n, pageToken: nextPageToken.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')) },
      { storeId: 7n, pageToken: 'x' },
      { storeId: 7n, pageToken: ' ' },
    ];
    for (const request of wrong) {
      expect(await reasonOf(client.listAllocations({ pageSize: 1, ...request }))).toBe('PAGE_TOKEN_INVALID');
    }
    const listStores = client.call(client.stub.listStores, { pageSize: 1, pageToken: nextPageToken });
    expect(await reasonOf(listStores)).toBe('PAGE_TOKEN_INVALID');
    const { client: otherLedger } = await serve(engine);
    for (let i = 0; i < 3; i++) await otherLedger.allocate(7n);
    const elsewhere = otherLedger.listAllocations({ storeId: 7n, pageSize: 1, pageToken: nextPageToken });
    expect(await reasonOf(elsewhere)).toBe('PAGE_TOKEN_INVALID');
    const { allocations } = await client.listAllocations({ storeId: 7n, pageSize: 1, pageToken: nextPageToken });
    expect(allocations.map(({ orderId }) => orderId)).toEqual([2n]);
  });

  it('a page_size out of range is PAGE_SIZE_INVALID, a present store_id of 0 STORE_ID_INVALID', async () => {
    const { client } = await serve(engine);
    for (const pageSize of [-1, 1001]) {
      expect(await reasonOf(client.listAllocations({ pageSize }))).toBe('PAGE_SIZE_INVALID');
      expect(await reasonOf(client.call(client.stub.listStores, { pageSize, pageToken: '' }))).toBe(
        'PAGE_SIZE_INVALID',
      );
    }
    expect(await reasonOf(client.listAllocations({ storeId: 0n }))).toBe('STORE_ID_INVALID');
    expect(await reasonOf(client.verify(0n))).toBe('STORE_ID_INVALID');
  });
});

async function serve(engine: Engine, given?: string) {
  const ledger = given ?? (await engine.newLedger());
  const server = new LocalServer(ledger);
  return { server, ledger, client: new GrpcClient(await server.serving()) };
}

async function reasonOf(call: Promise<unknown>): Promise<string | undefined> {
  return errorDetails(await failureOf(call))?.reason;
}
