import { INT64_MAX } from '../core/allocation.ts';
import type { Timestamp } from '../wire/gen/google/protobuf/timestamp.ts';
import type * as wire from '../wire/gen/orders/v1/orders.ts';
import { fromFindingKind, fromServerState, fromWireTime, STORE_SETTING_PATHS, STORE_SETTINGS } from '../wire/values.ts';
import type {
  Allocated,
  AllocateRequest,
  Allocation,
  AllocationKey,
  Id,
  ListFilter,
  Store,
  StoreSettings,
} from './api.ts';
import type { RequestIds } from './request-ids.ts';
import type { ServerStatus } from './streams/server-status.ts';
import type { VerifyStep } from './streams/verify-step.ts';

const INT32_MAX = 2 ** 31 - 1;

/** Exactly the caller's value as int64, or a TypeError that names it. The bounds are the server's. */
export function toInt64(name: string, value: Id): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  if (typeof value === 'bigint' && value >= -INT64_MAX - 1n && value <= INT64_MAX) return value;
  throw new TypeError(`${name} ${describe(value)} is not valid: it must be a 64-bit bigint or a safe integer`);
}

/** The same for a value that may be absent. */
export function toOptionalInt64(name: string, value: Id | undefined): bigint | undefined {
  return value === undefined ? undefined : toInt64(name, value);
}

/** A count as int32; throws a TypeError that names it if it is not one. */
export function toInt32(name: string, value: number): number {
  if (Number.isInteger(value) && Math.abs(value) <= INT32_MAX) return value;
  throw new TypeError(`${name} ${describe(value)} is not valid: it must be a whole number`);
}

/** A text; throws a TypeError that names it if it is not one. */
export function toText(name: string, value: string): string {
  if (typeof value === 'string') return value;
  throw new TypeError(`${name} ${describe(value)} is not valid: it must be a string`);
}

/** A boolean; throws a TypeError that names it if it is not one. */
export function toBoolean(name: string, value: boolean): boolean {
  if (typeof value === 'boolean') return value;
  throw new TypeError(`${name} ${describe(value)} is not valid: it must be true or false`);
}

/** An allocation. If the caller gave no request_id, one is created, once: every retry sends the same one. */
export function toAllocation(
  { storeId, requestId, count }: AllocateRequest,
  requestIds: RequestIds,
): wire.AllocateOrdersRequest {
  return {
    storeId: toInt64('storeId', storeId),
    requestId: requestId === undefined ? requestIds.next() : toRequestId(requestId),
    count: count === undefined ? 1 : toInt32('count', count),
  };
}

/** A request_id. For an empty one the server would create its own, which no retry could repeat. */
function toRequestId(value: string): string {
  if (toText('requestId', value) !== '') return value;
  throw new TypeError('requestId "" is not valid: omit it to have one created');
}

export function toKey(key: AllocationKey): wire.GetAllocationRequest {
  if ('orderId' in key) return { key: { $case: 'orderId', value: toInt64('orderId', key.orderId) } };
  const storeId = toInt64('storeId', key.storeId);
  if ('requestId' in key) {
    return { key: { $case: 'requestId', value: { storeId, requestId: toText('requestId', key.requestId) } } };
  }
  return { key: { $case: 'orderNumber', value: { storeId, orderNumber: toInt64('orderNumber', key.orderNumber) } } };
}

/** All of a request but its page_token. */
export function toList(filter: ListFilter): Omit<wire.ListAllocationsRequest, 'pageToken'> {
  return {
    storeId: toOptionalInt64('storeId', filter.storeId),
    afterOrderId: toOptionalInt64('afterOrderId', filter.afterOrderId),
    beforeOrderId: toOptionalInt64('beforeOrderId', filter.beforeOrderId),
    newestFirst: toBoolean('newestFirst', filter.newestFirst ?? false),
    pageSize: toInt32('pageSize', filter.pageSize ?? 0),
  };
}

/** A store with these settings; absent ones have the proto's default. */
export function toStore(storeId: Id, settings: StoreSettings): wire.Store {
  return {
    storeId: toInt64('storeId', storeId),
    firstNumber: toOptionalInt64('firstNumber', settings.firstNumber),
    nextNumber: 0n,
    prefix: toText('prefix', settings.prefix ?? ''),
    suffix: toText('suffix', settings.suffix ?? ''),
    minDigits: toInt32('minDigits', settings.minDigits ?? 0),
    createTime: undefined,
  };
}

/** The field paths of the given settings. */
export function toUpdateMask(changes: StoreSettings): string[] {
  return STORE_SETTINGS.filter((name) => changes[name] !== undefined).map((name) => STORE_SETTING_PATHS[name]);
}

export function fromAllocation(allocation: wire.Allocation | undefined): Allocation {
  if (!allocation) throw new Error('the response has no allocation');
  return { ...allocation, createTime: fromTimestamp(allocation.createTime) };
}

/** Copies field by field, which is faster than spreading the object. */
export function fromAllocated({
  allocation,
  replayed,
}: Pick<wire.AllocateOrdersResponse, 'allocation' | 'replayed'>): Allocated {
  if (!allocation) throw new Error('the response has no allocation');
  return {
    orderId: allocation.orderId,
    storeId: allocation.storeId,
    orderNumber: allocation.orderNumber,
    count: allocation.count,
    displayNumber: allocation.displayNumber,
    prefix: allocation.prefix,
    suffix: allocation.suffix,
    minDigits: allocation.minDigits,
    requestId: allocation.requestId,
    createTime: fromTimestamp(allocation.createTime),
    caller: allocation.caller,
    replayed,
  };
}

export function fromStore(store: wire.Store | undefined): Store {
  if (!store) throw new Error('the response has no store');
  return { ...store, firstNumber: store.firstNumber ?? 0n, createTime: fromTimestamp(store.createTime) };
}

/** Undefined for a step that is newer than this client. */
export function fromVerifyStep({ event }: wire.VerifyLedgerResponse): VerifyStep | undefined {
  switch (event?.$case) {
    case 'finding': {
      const { kind, ...finding } = event.value;
      return { kind: 'finding', findingKind: fromFindingKind(kind) ?? 'unknown', ...finding, storeId: finding.storeId };
    }
    case 'sequence':
      return { kind: 'sequence', ...event.value, storeId: event.value.storeId };
    case 'declaredLoss':
      return { kind: 'declaredLoss', ...event.value, storeId: event.value.storeId };
    case 'progress':
      return { kind: 'progress', ...event.value };
    case 'verdict':
      return { kind: 'verdict', ...event.value };
    case undefined:
      return undefined;
  }
}

/** Copies every field, so that one without a value is a property, too. */
export function fromServerStatus({ activity, ...status }: wire.WatchServerResponse): ServerStatus {
  return {
    ...status,
    state: fromServerState(status.state) ?? 'unknown',
    startTime: fromTimestamp(status.startTime),
    activity: activity && {
      ...activity,
      callP50Ms: activity.callP50Ms,
      callP99Ms: activity.callP99Ms,
      batchSize: activity.batchSize,
      commitP50Ms: activity.commitP50Ms,
      commitP99Ms: activity.commitP99Ms,
    },
  };
}

function fromTimestamp(time: Timestamp | undefined): Date {
  return new Date(time ? fromWireTime(time) : Number.NaN);
}

/** A value as a message shows it. */
export function describe(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
