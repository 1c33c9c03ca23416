import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { Ending } from './fake-server.ts';
import { allocation, bare, FakeServer, ours, store } from './fake-server.ts';

const MADE = { storeId: 7n, firstNumber: 100n, nextNumber: 100n, prefix: 'A-', suffix: '', minDigits: 6 };
const made: Ending = { response: { store: store(7n, { prefix: 'A-', minDigits: 6 }) } };

describe('createStore', () => {
  it('sends the given settings and leaves the rest to the server', async () => {
    const server = await FakeServer.start({ createStore: [made] });
    const created = await server.client().createStore({ storeId: 7, prefix: 'A-', minDigits: 6 });
    expect(created).toEqual({ ...MADE, createTime: new Date(1_700_000_000_000) });
    expect(server.seen[0]!.request['store']).toMatchObject({ storeId: 7n, firstNumber: undefined, prefix: 'A-' });
  });

  it('P7: is not retried unless it is known that it was not done', async () => {
    const server = await FakeServer.start({ createStore: [bare(status.UNAVAILABLE)] });
    const call = server.client().createStore({ storeId: 7 });
    await expect(call).rejects.toMatchObject({ code: 'UNAVAILABLE', outcome: 'unknown', requestId: undefined });
    expect(server.seen).toHaveLength(1);
  });

  it('is retried if the server asks for it', async () => {
    const server = await FakeServer.start({ createStore: [ours('DRAINING'), ours('QUEUE_FULL'), made] });
    expect(await server.client().createStore({ storeId: 7 })).toMatchObject({ storeId: 7n });
    expect(server.seen).toHaveLength(3);
  });

  it('is refused if the store exists', async () => {
    const server = await FakeServer.start({ createStore: [ours('STORE_EXISTS')], getStore: [made] });
    const call = server.client().createStore({ storeId: 7, prefix: 'A-', minDigits: 6 });
    await expect(call).rejects.toMatchObject({ code: 'ALREADY_EXISTS', reason: 'STORE_EXISTS', outcome: 'refused' });
    expect(server.seen).toHaveLength(1);
  });

  it('after an unknown outcome accepts an existing store that has the requested settings', async () => {
    const server = await FakeServer.start({
      createStore: [ours('OUTCOME_UNKNOWN'), ours('STORE_EXISTS')],
      getStore: [made],
    });
    const created = await server.client().createStore({ storeId: 7, prefix: 'A-', minDigits: 6 });
    expect(created).toMatchObject(MADE);
  });

  it.each([
    { firstNumber: 1, prefix: 'A-', minDigits: 6 },
    { prefix: 'B-', minDigits: 6 },
    { prefix: 'A-', suffix: '!', minDigits: 6 },
    { prefix: 'A-' },
  ])('P7: and otherwise leaves the outcome unknown: %o', async (settings) => {
    const server = await FakeServer.start({
      createStore: [ours('OUTCOME_UNKNOWN'), ours('STORE_EXISTS')],
      getStore: [made],
    });
    const call = server.client().createStore({ storeId: 7, ...settings });
    await expect(call).rejects.toMatchObject({ reason: 'STORE_EXISTS', outcome: 'unknown' });
  });
});

describe('updateStore', () => {
  it('names the given fields in its mask, including empty texts and zeros, and is retried', async () => {
    const server = await FakeServer.start({ updateStore: [bare(status.INTERNAL), made] });
    await server.client().updateStore(7, { prefix: '', minDigits: 0, suffix: undefined });
    const { request } = server.seen[1]!;
    expect(request['updateMask']).toEqual(['prefix', 'min_digits']);
    expect(request['store']).toMatchObject({ storeId: 7n, prefix: '', minDigits: 0 });
    await server.client().updateStore(7, { firstNumber: 500n, suffix: '-X' });
    expect(server.seen[2]!.request['updateMask']).toEqual(['first_number', 'suffix']);
    expect(server.seen[2]!.request['store']).toMatchObject({ firstNumber: 500n, suffix: '-X' });
  });

  it('P7: reports an unknown outcome as such', async () => {
    const server = await FakeServer.start({ updateStore: ['silence'] });
    const call = server.client({ timeoutMs: 1500 }).updateStore(7, { prefix: 'A' });
    await expect(call).rejects.toMatchObject({ outcome: 'unknown' });
  });
});

describe('lookups', () => {
  it('are retried until they are answered', async () => {
    const server = await FakeServer.start({ getStore: [ours('LEDGER_REOPENING'), bare(status.INTERNAL), made] });
    expect(await server.client().getStore(7)).toMatchObject({ storeId: 7n });
  });

  it('never have an unknown outcome', async () => {
    const server = await FakeServer.start({ getStore: [made, bare(status.UNAVAILABLE)] });
    const client = server.client({ timeoutMs: 1500 });
    // The time is for the call alone: a connection may take longer on a busy machine.
    await client.getStore(7);
    await expect(client.getStore(7)).rejects.toMatchObject({ code: 'UNAVAILABLE', outcome: 'refused' });
  });

  it.each([status.UNIMPLEMENTED, status.UNAUTHENTICATED, status.PERMISSION_DENIED])(
    'are not retried if a proxy refuses with code %d',
    async (code) => {
      const server = await FakeServer.start({ getStore: [bare(code)] });
      await expect(server.client().getStore(7)).rejects.toMatchObject({ code: status[code] });
      expect(server.seen).toHaveLength(1);
    },
  );

  it.each([
    [{ orderId: 3 }, { $case: 'orderId', value: 3n }],
    [
      { storeId: 1, orderNumber: 102n },
      { $case: 'orderNumber', value: { storeId: 1n, orderNumber: 102n } },
    ],
    [
      { storeId: 1, requestId: 'a' },
      { $case: 'requestId', value: { storeId: 1n, requestId: 'a' } },
    ],
  ])('find an allocation by %o', async (key, sent) => {
    const found: Ending = { response: { allocation: allocation(3n) } };
    const server = await FakeServer.start({ getAllocation: [found] });
    expect(await server.client().getAllocation(key)).toEqual({
      ...allocation(3n),
      createTime: new Date(1_700_000_000_123),
    });
    expect(server.seen[0]!.request['key']).toEqual(sent);
  });
});
