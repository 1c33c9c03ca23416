import { OrderError } from './errors.ts';

/** The lowest number that a 64-bit column can hold, damaged or not. */
export const INT64_MIN = -(2n ** 63n);
/** The last number of every sequence: ids and numbers are signed 64-bit on the wire and on disk. */
export const INT64_MAX = 2n ** 63n - 1n;
/** A store numbers from here by default. */
export const DEFAULT_FIRST_NUMBER = 100n;
/** Numbers in one run, at most. */
export const MAX_COUNT = 1000;

const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/** The request of one caller: `count` consecutive numbers of a store, under a key of its own. */
export interface AllocationRequest {
  /** 1 to 2^63-1. */
  readonly storeId: bigint;
  /** 1 to {@link MAX_COUNT}. */
  readonly count: number;
  /** 1 to 128 characters of 0x21 to 0x7E; unique within the store, forever. */
  readonly requestId: string;
  /** The name of the caller: up to 64 printable ASCII characters; empty on an open server. */
  readonly caller: string;
}

/** One ledger row: the run of numbers given to a request, and the store's style at that time. */
export interface Allocation extends AllocationRequest {
  /** First of the run in the sequence over all stores. */
  readonly orderId: bigint;
  /** First of the run in the sequence of the store. */
  readonly orderNumber: bigint;
  readonly prefix: string;
  readonly suffix: string;
  readonly minDigits: number;
  /** Whole milliseconds since 1970; never falls as orderId rises. */
  readonly createTimeMs: number;
}

/** Throws STORE_ID_INVALID unless `storeId` is 1 to 2^63-1. */
export function checkStoreId(storeId: bigint): void {
  if (storeId >= 1n && storeId <= INT64_MAX) return;
  throw new OrderError('STORE_ID_INVALID', `store_id ${storeId} is not valid: it must be 1 to 2^63-1`, {
    fields: { store_id: String(storeId) },
  });
}

/** Throws COUNT_INVALID unless `count` is a whole number from 1 to {@link MAX_COUNT}. */
export function checkCount(count: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= MAX_COUNT) return;
  throw new OrderError('COUNT_INVALID', `count ${count} is not valid: it must be 1 to ${MAX_COUNT}`, {
    fields: { count: String(count) },
  });
}

/** Throws REQUEST_ID_INVALID unless `requestId` is 1 to 128 characters of 0x21 to 0x7E. */
export function checkRequestId(requestId: string): void {
  if (REQUEST_ID.test(requestId)) return;
  throw new OrderError(
    'REQUEST_ID_INVALID',
    `request_id ${JSON.stringify(requestId.slice(0, 32))} (length ${requestId.length}) is not valid: it must be 1 to 128 ` +
      'printable ASCII characters without a space',
    { fields: { request_id: requestId } },
  );
}

/**
 * A UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, the rest random. It is time-ordered, so that the ledger's
 * index of request ids grows at its end.
 */
export function newRequestId(): string {
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${crypto.randomUUID().slice(15)}`;
}

/** The last of the run in the sequence over all stores. */
export function lastOrderIdOf({ orderId, count }: Pick<Allocation, 'orderId' | 'count'>): bigint {
  return orderId + BigInt(count) - 1n;
}

/** The first number of the run as customers see it. Need not be unique. */
export function displayNumber(allocation: Allocation): string {
  const digits = String(allocation.orderNumber).padStart(allocation.minDigits, '0');
  return `${allocation.prefix}${digits}${allocation.suffix}`;
}
