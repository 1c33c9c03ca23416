import { type Finding, mismatch } from './events.ts';

/** Rows that share a (store_id, request_id), which must have only one. */
export interface RepeatedRequestId {
  readonly storeId: bigint;
  readonly requestId: string;
  readonly rows: bigint;
  /** The order_ids of the first of them and of the last. */
  readonly least: bigint;
  readonly greatest: bigint;
}

export function repeatedRequestId({ storeId, requestId, rows, least, greatest }: RepeatedRequestId): Finding {
  const message = `duplicate request_id ${requestId} of store ${storeId}: ${rows} rows, from order_id ${least} to ${greatest}`;
  return mismatch(storeId, least, greatest, message);
}

/** An index that cannot be relied on. */
export interface IndexFault {
  readonly name: string;
  /** What is wrong: the rest of a sentence that begins with the name. */
  readonly fault: string;
}

/** The finding for a ledger that ends at `end`. */
export function faultyIndex({ name, fault }: IndexFault, end: bigint): Finding {
  return mismatch(undefined, 1n, end, `the index ${name} ${fault}`);
}

/** The index of request_ids has to have every row. */
export function* checkRequestIdIndex(entries: bigint, rows: bigint, end: bigint): Generator<Finding> {
  if (entries === rows) return;
  yield mismatch(undefined, 1n, end, `the index of request_ids has ${entries} entries for ${rows} rows`);
}

/** The index of order_numbers does not have every row of a store. */
export function orderNumberIndex(storeId: bigint, entries: number, rows: number): Finding {
  const message = `the index of order_numbers has ${entries} entries for ${rows} rows of store ${storeId}`;
  return mismatch(storeId, 1n, BigInt(rows), message);
}
