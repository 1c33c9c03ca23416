import { constants } from 'node:http2';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { MESSAGE_WAIT_MS } from '../../../../src/server/limits.ts';
import { GrpcClient } from '../../../support/clients/grpc-client.ts';
import { answerOf, encode, framed, HostileClient } from '../../../support/network/hostile-client.ts';
import { GuardedFixture } from '../guarded-fixture.ts';

const ORDER = encode({ storeId: 7n, requestId: '' });
const TOKEN = { authorization: 'Bearer shop' };

// The checks of a server are the only intervals.
beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
afterEach(() => void vi.useRealTimers());

it('a call whose message does not come, or not all of it, ends with the second check', async () => {
  const { address, client, ledger } = await open();
  const paths = [undefined, '/orders.v1.OrderNumberService/WatchAllocations', '/grpc.health.v1.Health/Check'];
  const calls = paths.map((path) => client.open(TOKEN, path));
  const begun = client.open(TOKEN);
  begun.write(framed(ORDER).subarray(0, 7));
  const reflection = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
  const answers = [...calls, begun, client.open(TOKEN, reflection)].map(answerOf);
  await client.ping();
  vi.advanceTimersByTime(MESSAGE_WAIT_MS);
  await client.ping();
  const late = client.open(TOKEN);
  const lateAnswer = answerOf(late);
  await client.ping();
  vi.advanceTimersByTime(MESSAGE_WAIT_MS);
  for (const { rstCode, grpcStatus } of await Promise.all(answers)) {
    expect([rstCode, grpcStatus]).toEqual([constants.NGHTTP2_CANCEL, undefined]);
  }
  expect(ledger.batches).toEqual([]);
  late.end(framed(ORDER));
  expect(await lateAnswer).toMatchObject({ grpcStatus: status.OK });
  expect((await new GrpcClient(address, 'shop').allocate(7n)).allocation.orderId).toBe(2n);
});

it('a call whose message has come goes on, however long its answer takes', async () => {
  const { address, client, ledger } = await open();
  const held = ledger.holdNext();
  const order = client.call(ORDER, TOKEN);
  await held.begun;
  const watch = new GrpcClient(address, 'shop').watch({ afterOrderId: 0n });
  const first = new Promise((resolve) => void watch.once('data', resolve));
  await first;
  for (let i = 0; i < 5; i++) {
    vi.advanceTimersByTime(MESSAGE_WAIT_MS);
    await client.ping();
  }
  const next = new Promise((resolve) => void watch.once('data', resolve));
  held.release();
  expect(await order).toMatchObject({ grpcStatus: status.OK });
  expect(await next).toMatchObject({ allocations: [{ orderId: 1n }] });
});

async function open() {
  const { address, callers, ledger } = await GuardedFixture.open();
  callers.add('shop');
  return { address, ledger, client: await HostileClient.connect(address) };
}
