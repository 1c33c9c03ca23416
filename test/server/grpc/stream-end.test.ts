import type { ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { VerifyEvent } from '../../../src/core/verify/events.ts';
import { VERIFICATIONS } from '../../../src/server/limits.ts';
import type { WatchAllocationsResponse } from '../../../src/wire/gen/orders/v1/orders.ts';
import { WatchAllocationsRequest } from '../../../src/wire/gen/orders/v1/orders.ts';
import { GrpcClient } from '../../support/clients/grpc-client.ts';
import { errorDetails, failureOf } from '../../support/clients/orders-client.ts';
import { framed, HostileClient } from '../../support/network/hostile-client.ts';
import { GuardedFixture } from './guarded-fixture.ts';

const REVOKED = { code: status.UNAUTHENTICATED, details: 'shop was revoked' };

describe('a watch', () => {
  it('ends with its token, and sees nothing that is committed afterwards', async () => {
    const { fixture, client, others } = await open();
    const watch = followed(client.watch({ afterOrderId: 0n }));
    const other = followed(others.watch({ afterOrderId: 0n }));
    await others.allocate(7n, 1, 'before');
    await vi.waitUntil(() => watch.requestIds().length === 1);
    fixture.callers.revoke('shop');
    await others.allocate(7n, 1, 'after');
    const error = await watch.ended;
    expect(error).toMatchObject(REVOKED);
    expect(errorDetails(error)?.reason).toBe('TOKEN_INVALID');
    await vi.waitUntil(() => other.requestIds().length === 2);
    expect(watch.requestIds()).toEqual(['before']);
    expect(fixture.ended).toContainEqual(['WatchAllocations', 'TOKEN_INVALID']);
    expect(fixture.ledger.listeners).toBe(1);
  });

  it('that is reading history when its token ends is not sent what it was reading', async () => {
    const { fixture, client, others } = await open();
    await others.allocate(7n, 1, 'secret');
    const { reads } = fixture.ledger;
    const read = Promise.withResolvers<void>();
    const listAllocations = reads.listAllocations.bind(reads);
    const spy = vi.spyOn(reads, 'listAllocations').mockImplementation(async (range) => {
      await read.promise;
      return listAllocations(range);
    });
    const watch = followed(client.watch({ afterOrderId: 0n }));
    await vi.waitUntil(() => spy.mock.calls.length > 0);
    fixture.callers.revoke('shop');
    // At once: the read has not even ended.
    expect(await watch.ended).toMatchObject(REVOKED);
    read.resolve();
    await vi.waitUntil(() => fixture.ledger.listeners === 0);
    expect(watch.requestIds()).toEqual([]);
  });

  it('whose client reads nothing ends with its token, too', async () => {
    const { fixture, others } = await open();
    for (let i = 0; i < 300; i++) await others.allocate(7n, 1, 'x'.repeat(120) + i);
    const client = await HostileClient.connect(fixture.address, { takesNothing: true });
    const stream = client.open({ authorization: 'Bearer shop' }, '/orders.v1.OrderNumberService/WatchAllocations');
    stream.end(framed(WatchAllocationsRequest.encode({ afterOrderId: 0n, storeId: undefined }).finish()));
    await vi.waitUntil(() => fixture.ledger.listeners === 1);
    fixture.callers.revoke('shop');
    await vi.waitUntil(() => fixture.ended.some(([method]) => method === 'WatchAllocations'));
    expect(fixture.ended.at(-1)).toEqual(['WatchAllocations', 'TOKEN_INVALID']);
    await vi.waitUntil(() => fixture.ledger.listeners === 0);
  });
});

describe('a verification', () => {
  it('inside a long read ends with its token, and keeps its place until that read is over', async () => {
    const { fixture, client, others } = await open();
    fixture.callers.add('second');
    const second = new GrpcClient(fixture.address, 'second');
    const read = Promise.withResolvers<void>();
    onTestFinished(() => read.resolve());
    let [begun, over] = [0, 0];
    vi.spyOn(fixture.ledger.reads, 'verify').mockImplementation(async function* (): AsyncGenerator<VerifyEvent> {
      begun++;
      try {
        await read.promise;
        yield { kind: 'progress', rowsRead: 1n, orderId: 1n, endOrderId: 2n };
        yield { kind: 'progress', rowsRead: 2n, orderId: 2n, endOrderId: 2n };
      } finally {
        over++;
      }
    });
    const verifications = [client, second].map((caller) => failureOf(caller.verify()));
    await vi.waitUntil(() => begun === VERIFICATIONS.inAll);
    for (const name of ['shop', 'second']) fixture.callers.revoke(name);
    for (const failure of await Promise.all(verifications)) expect(failure).toMatchObject({ code: REVOKED.code });
    expect(over).toBe(0);
    expect((await failureOf(others.verify())).code).toBe(status.RESOURCE_EXHAUSTED);
    read.resolve();
    await vi.waitUntil(() => over === VERIFICATIONS.inAll);
    expect(await others.verify()).toHaveLength(2);
  });
});

/** A server with two callers: shop, and others. */
async function open() {
  const fixture = await GuardedFixture.open();
  for (const name of ['shop', 'others']) fixture.callers.add(name);
  const [client, others] = ['shop', 'others'].map((name) => new GrpcClient(fixture.address, name));
  return { fixture, client: client!, others: others! };
}

function followed(stream: ClientReadableStream<WatchAllocationsResponse>) {
  const steps: WatchAllocationsResponse[] = [];
  stream.on('data', (step: WatchAllocationsResponse) => steps.push(step));
  const ended = new Promise<ServiceError>((resolve) => void stream.on('error', resolve));
  return {
    ended,
    requestIds: () => steps.flatMap(({ allocations }) => allocations.map(({ requestId }) => requestId)),
  };
}
