import type { ServiceError } from '@grpc/grpc-js';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Allocator } from '../../../src/core/allocator.ts';
import { startGrpcServer } from '../../../src/server/grpc/grpc-server.ts';
import { orderNumberService } from '../../../src/server/methods/order-number-service.ts';
import { GrpcClient } from '../../support/clients/grpc-client.ts';
import { errorDetails } from '../../support/clients/orders-client.ts';
import { MemoryLedger } from '../../support/engines/memory-ledger.ts';
import { serviceContext } from '../../support/processes/service-context.ts';

it('P4: a list up to an end beyond which there may be more says to retry; one that ends before it is answered', async () => {
  const { client, reads } = await serve();
  for (let i = 0; i < 4; i++) await client.allocate(7n);
  const { nextPageToken: pageToken } = await client.listAllocations({ pageSize: 1 });
  const end = await reads.end();
  vi.spyOn(reads, 'end').mockResolvedValue({ ...end, lastOrderId: 3n, mayHaveMore: true });

  for (const list of [{}, { newestFirst: true }, { pageSize: 1 }, { afterOrderId: 2n }, { beforeOrderId: 5n }]) {
    const reason = client.listAllocations(list).catch((error: ServiceError) => errorDetails(error));
    expect(await reason).toMatchObject({ reason: 'LEDGER_REOPENING', retryDelayMs: 200 });
  }
  expect(idsOf(await client.listAllocations({ beforeOrderId: 4n }))).toEqual([1n, 2n, 3n]);
  expect(idsOf(await client.listAllocations({ beforeOrderId: 3n, newestFirst: true }))).toEqual([2n, 1n]);
  // The end that its first page saw.
  expect(idsOf(await client.listAllocations({ pageSize: 10, pageToken }))).toEqual([2n, 3n, 4n]);
});

function idsOf({ allocations }: { readonly allocations: readonly { readonly orderId: bigint }[] }): bigint[] {
  return allocations.map(({ orderId }) => orderId);
}

async function serve() {
  const ledger = new MemoryLedger();
  const allocator = new Allocator({ ledger, maxBatch: 10, maxQueue: 10, maxQueueShare: 0.5, requireRequestId: false });
  const context = serviceContext(allocator, ledger);
  const server = await startGrpcServer({ host: '127.0.0.1', port: 0 }, orderNumberService(context), context);
  onTestFinished(() => server.close(0));
  return { client: new GrpcClient(`127.0.0.1:${server.address.port}`), reads: ledger.reads };
}
