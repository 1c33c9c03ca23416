import type { Key } from './item.ts';

/** order_ids of one partition of the index of order_ids. */
const ORDER_IDS = 1_000_000n;
/** Partitions of the list of stores. */
export const STORE_LISTS = 16;
/** Digits of a position in the log, at most: with those of a number, as many as DynamoDB's numbers have. */
const POSITION_DIGITS = 18;

/** What the servers tell each other beside the log. It may lack any of its attributes. */
export const META: Key = { partition: 'meta', sort: '0' };
/** How far the derived items are complete. */
export const INDEXED_TO = 'indexed_to';
/** How often commands have asked the servers for room. */
export const TURNS_ASKED = 'turns_asked';
/** Counted up by the server that completes what another one has left. */
export const TAKEN_OVER = 'taken_over';

/** One item per position: the server that writes it first has numbered. */
export function logKey(position: number): Key {
  return { partition: `log#${position}`, sort: '0' };
}

/** One item per allocation. */
export function requestKey({ storeId, requestId }: { readonly storeId: bigint; readonly requestId: string }): Key {
  return { partition: `req#${storeId}#${requestId}`, sort: '0' };
}

export function storePartition(storeId: bigint): string {
  return `store#${storeId}`;
}

/** One item per store and log entry that allocates there, at the first of its order_numbers. */
export function runKey(storeId: bigint, firstOrderNumber: bigint): Key {
  return { partition: storePartition(storeId), sort: String(firstOrderNumber) };
}

/**
 * One item per store and log entry that creates or changes it: behind the run that the store has given last, 0 if none,
 * and in the order of the log. So the newest item of a store is the last one of its partition.
 */
export function changeKey(storeId: bigint, lastGiven: bigint, position: number): Key {
  return { partition: storePartition(storeId), sort: withFraction(lastGiven, position) };
}

/** The partition of the index of order_ids that has this one. */
export function orderIdBucket(orderId: bigint): bigint {
  return orderId / ORDER_IDS;
}

/** The first order_id of a bucket. */
export function firstOfBucket(bucket: bigint): bigint {
  return bucket * ORDER_IDS;
}

/** One item per log entry and bucket that it touches, at its last order_id. */
export function orderIdKey(bucket: bigint, lastOrderId: bigint): Key {
  return { partition: `oid#${bucket}`, sort: String(lastOrderId) };
}

/** One item per store. */
export function storeListKey(storeId: bigint): Key {
  return { partition: storeListPartition(Number(storeId % BigInt(STORE_LISTS))), sort: String(storeId) };
}

export function storeListPartition(list: number): string {
  return `stores#${list}`;
}

/** The declared losses of the whole ledger: there are few. */
export const LOSSES = 'losses';

/** One item per declared loss, in the order of the log. */
export function lossKey(position: number, index: number): Key {
  return { partition: LOSSES, sort: withFraction(position, index) };
}

/** A decimal number as DynamoDB gives it back, without zeros at its end, because keys are compared as texts. */
function withFraction(whole: bigint | number, fraction: number): string {
  return `${whole}.${String(fraction).padStart(POSITION_DIGITS, '0')}`.replace(/\.?0+$/, '');
}
