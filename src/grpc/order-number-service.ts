import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Allocation } from '../allocation.ts';
import { displayNumber } from '../allocation.ts';
import type { Allocator } from '../allocator.ts';
import type {
  AllocateOrderRequest,
  AllocateOrderResponse,
  Allocation as AllocationMessage,
} from '../gen/orders/v1/orders.ts';
import type { Ledger } from '../ledger.ts';
import type { Logger } from '../log.ts';
import type { CallObserver } from '../observers.ts';
import { unary } from './unary.ts';

/** What the methods work on. */
export interface ServiceOptions {
  readonly allocator: Allocator;
  readonly ledger: Ledger;
  readonly logger: Logger;
  readonly metrics: CallObserver;
}

/**
 * The methods of orders.v1.OrderNumberService that are served; grpc-js answers UNIMPLEMENTED for the
 * others.
 */
export function orderNumberService({ allocator, logger, metrics }: ServiceOptions): UntypedServiceImplementation {
  return {
    allocateOrder: unary<AllocateOrderRequest, AllocateOrderResponse>(
      {
        name: 'AllocateOrder',
        async handle({ storeId, requestId }, signal) {
          const { allocation, replayed } = await allocator.allocate({ storeId, count: 1, requestId, signal });
          return { allocation: toMessage(allocation), replayed };
        },
        describe: ({ storeId, requestId }) => ({ store_id: String(storeId), request_id: requestId.slice(0, 128) }),
        mayRetry: ({ requestId }) => requestId !== '',
      },
      logger,
      metrics,
    ),
  };
}

function toMessage(allocation: Allocation): AllocationMessage {
  const { createTimeMs } = allocation;
  return {
    orderId: allocation.orderId,
    storeId: allocation.storeId,
    orderNumber: allocation.orderNumber,
    count: allocation.count,
    displayNumber: displayNumber(allocation),
    prefix: allocation.prefix,
    suffix: allocation.suffix,
    minDigits: allocation.minDigits,
    requestId: allocation.requestId,
    createTime: { seconds: BigInt(Math.trunc(createTimeMs / 1000)), nanos: (createTimeMs % 1000) * 1_000_000 },
  };
}
