import type { Allocation } from '../../core/allocation.ts';
import { checkRequestId, checkStoreId, INT64_MAX, lastOrderIdOf } from '../../core/allocation.ts';
import { OrderError } from '../../core/errors.ts';
import type {
  AllocateOrderRequest,
  AllocateOrderResponse,
  AllocateOrdersRequest,
  AllocateOrdersResponse,
  GetAllocationRequest,
  GetAllocationResponse,
  ListAllocationsRequest,
  ListAllocationsResponse,
  WatchAllocationsRequest,
  WatchAllocationsResponse,
} from '../../wire/gen/orders/v1/orders.ts';
import type { AllocationKey, LedgerReads } from '../../core/ledger.ts';
import { ledgerReopening } from '../../core/refusals.ts';
import type { PagedList } from '../../core/reading/paging.ts';
import { pageSize, readPage } from '../../core/reading/paging.ts';
import type { Watch } from '../../core/reading/watch.ts';
import { WATCHES } from '../limits.ts';
import { batchMethod } from './batch-method.ts';
import type { CallQueues } from './call-queues.ts';
import type { ServedMethod } from './served-method.ts';
import { toAllocationMessage, toResponse } from './messages.ts';
import type { ServiceContext } from './service-context.ts';
import { serverStream } from './server-stream.ts';
import { allocating, unary } from './unary.ts';

/** The proto names of the key fields. */
const PROTO_NAMES: Readonly<Record<string, string>> = {
  storeId: 'store_id',
  orderNumber: 'order_number',
  requestId: 'request_id',
};

/** AllocateOrder, AllocateOrders, BatchAllocateOrders, GetAllocation, ListAllocations, WatchAllocations. */
export function allocationMethods(
  context: ServiceContext,
  queues: CallQueues,
  watch: Watch,
): Record<string, ServedMethod> {
  const { allocator, ledger, stopping } = context;
  return {
    allocateOrder: allocating<AllocateOrderRequest, AllocateOrderResponse>(allocator, {
      name: 'AllocateOrder',
      verb: 'allocate',
      writes: true,
      ask: ({ storeId, requestId }, caller) => ({ storeId, count: 1, requestId, caller }),
      toResponse,
      storeOf,
      describe: describeRequest,
      describeResponse,
      mayRetry: hasKey,
    }),
    allocateOrders: allocating<AllocateOrdersRequest, AllocateOrdersResponse>(allocator, {
      name: 'AllocateOrders',
      verb: 'allocate',
      writes: true,
      ask: ({ storeId, count, requestId }, caller) => ({ storeId, count, requestId, caller }),
      toResponse,
      storeOf,
      describe: (request) => ({ ...describeRequest(request), count: String(request.count) }),
      describeResponse,
      mayRetry: hasKey,
    }),
    batchAllocateOrders: batchMethod(allocator),
    ...lookups(ledger.reads, queues),
    watchAllocations: serverStream<WatchAllocationsRequest, WatchAllocationsResponse>(
      {
        name: 'WatchAllocations',
        verb: 'read',
        streams: WATCHES,
        handle: (request, signal) => watchAllocations(watch, request, signal),
        storeOf,
        describe: describeList,
      },
      stopping,
    ),
  };
}

function lookups(reads: LedgerReads, queues: CallQueues): Record<string, ServedMethod> {
  return {
    getAllocation: unary<GetAllocationRequest, GetAllocationResponse>({
      name: 'GetAllocation',
      verb: 'read',
      async handle({ key: asked }, signal, { principal, origin }) {
        const { stores } = principal;
        const key = toKey(asked);
        // Allocations of other stores do not exist for the caller. A request that names such a store is not even looked
        // up, so that its duration reveals nothing. A lookup by order_id reveals nothing, because every order_id up to
        // the end exists.
        const isHidden = (storeId: bigint) => stores !== 'all' && !stores.has(storeId);
        if ('storeId' in key && isHidden(key.storeId)) throw notFound(asked);
        const allocation = await queues.reads.run('lookup', { signal, origin }, () => reads.getAllocation(key));
        if (!allocation || isHidden(allocation.storeId)) throw notFound(asked);
        return { allocation: toAllocationMessage(allocation) };
      },
      storeOf: 'checked by the method',
      describe: ({ key }) => (key ? { by: key.$case } : {}),
      pathOf: (field, { key }) => (key && key.$case !== 'orderId' ? `${PROTO_NAMES[key.$case]}.${field}` : field),
      mayRetry: () => true,
    }),
    listAllocations: unary<ListAllocationsRequest, ListAllocationsResponse>({
      name: 'ListAllocations',
      verb: 'read',
      handle: (request, signal, { origin }) =>
        listAllocations(request, (read) => queues.reads.run('list', { signal, origin }, () => read(reads))),
      storeOf,
      describe: describeList,
      mayRetry: () => true,
    }),
  };
}

async function listAllocations(
  request: ListAllocationsRequest,
  inTurn: <Result>(read: (reads: LedgerReads) => Promise<Result>) => Promise<Result>,
): Promise<ListAllocationsResponse> {
  const { storeId, afterOrderId = 0n, beforeOrderId, newestFirst } = request;
  if (storeId !== undefined) checkStoreId(storeId);
  if (afterOrderId < 0n) throw badNumber('after_order_id', afterOrderId, '0');
  if (beforeOrderId !== undefined) checkNumber('before_order_id', beforeOrderId);
  const limit = pageSize(request.pageSize);
  return inTurn(async (reads) => {
    const { ledgerId, lastOrderId, mayHaveMore = false } = await reads.end();
    const isBounded = beforeOrderId !== undefined && beforeOrderId <= lastOrderId + 1n;
    // It would end early, and look whole. A page after the first has the end of that one.
    if (mayHaveMore && !isBounded && request.pageToken === '') throw ledgerReopening();
    const list: PagedList<Allocation> = {
      name: ['ListAllocations', filterOf(request), ledgerId],
      whole: { after: afterOrderId, end: isBounded ? beforeOrderId - 1n : lastOrderId },
      limit,
      read: ({ after, end }) =>
        reads.listAllocations({ afterOrderId: after, upToOrderId: end, newestFirst, storeId, limit }),
      restOf: ({ after, end }, last) =>
        newestFirst ? { after, end: last.orderId - 1n } : { after: lastOrderIdOf(last), end },
    };
    const { items, nextPageToken } = await readPage(list, request.pageToken);
    return { allocations: items.map(toAllocationMessage), nextPageToken };
  });
}

/** Everything that tells two lists apart; only the store if the request has no other filter. */
function filterOf({ storeId, afterOrderId, beforeOrderId, newestFirst }: ListAllocationsRequest): string {
  const store = String(storeId ?? '');
  if (afterOrderId === undefined && beforeOrderId === undefined && !newestFirst) return store;
  return [store, afterOrderId ?? '', beforeOrderId ?? '', newestFirst].join(' ');
}

function storeOf<Id extends bigint | undefined>({ storeId }: { readonly storeId?: Id }): Id | undefined {
  return storeId;
}

function describeList(request: Partial<ListAllocationsRequest>): Record<string, string> {
  const { storeId, afterOrderId, beforeOrderId } = request;
  return {
    ...(storeId !== undefined && { store_id: String(storeId) }),
    ...(afterOrderId !== undefined && { after_order_id: String(afterOrderId) }),
    ...(beforeOrderId !== undefined && { before_order_id: String(beforeOrderId) }),
  };
}

async function* watchAllocations(
  watch: Watch,
  { afterOrderId, storeId }: WatchAllocationsRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchAllocationsResponse> {
  if (storeId !== undefined) checkStoreId(storeId);
  if (afterOrderId !== undefined && afterOrderId < 0n) throw badNumber('after_order_id', afterOrderId, '0');
  for await (const { allocations, cursor } of watch.watch({ afterOrderId, storeId, signal })) {
    yield { allocations: allocations.map(toAllocationMessage), cursor };
  }
}

function describeRequest({ storeId, requestId }: AllocateOrderRequest): Record<string, string> {
  return { store_id: String(storeId), request_id: requestId };
}

/** The request_id once more: the server may have created it. */
function describeResponse({ allocation, replayed }: AllocateOrdersResponse): Record<string, string> {
  return {
    request_id: allocation?.requestId ?? '',
    order_id: String(allocation?.orderId),
    ...(replayed && { replayed: 'true' }),
  };
}

/** A caller that sent a key can retry without numbering an order twice. */
function hasKey({ requestId }: AllocateOrderRequest): boolean {
  return requestId !== '';
}

function toKey(key: GetAllocationRequest['key']): AllocationKey {
  switch (key?.$case) {
    case 'orderId':
      checkNumber('order_id', key.value);
      return { orderId: key.value };
    case 'orderNumber':
      checkStoreId(key.value.storeId);
      checkNumber('order_number', key.value.orderNumber);
      return key.value;
    case 'requestId':
      checkStoreId(key.value.storeId);
      checkRequestId(key.value.requestId);
      return key.value;
    default:
      throw new OrderError('KEY_MISSING', 'key is missing; set order_id, order_number or request_id');
  }
}

function notFound(key: GetAllocationRequest['key']): OrderError {
  const fields = Object.fromEntries(
    key?.$case === 'orderId'
      ? [['order_id', String(key.value)]]
      : Object.entries(key?.value ?? {}).map(([name, value]) => [PROTO_NAMES[name] ?? name, String(value)]),
  );
  const named = Object.entries(fields).map(([name, value]) => `${name} ${value}`);
  return new OrderError('ALLOCATION_NOT_FOUND', `no allocation has ${named.join(' and ')}`, { fields });
}

function checkNumber(field: string, value: bigint): void {
  if (value < 1n || value > INT64_MAX) throw badNumber(field, value, '1');
}

function badNumber(field: string, value: bigint, least: string): OrderError {
  return new OrderError('ORDER_ID_INVALID', `${field} ${value} is not valid: it must be ${least} to 2^63-1`, {
    fields: { [field]: String(value) },
  });
}
