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

/** The index of request_ids has to have every row, under its own key: a retry whose row it does not find is numbered again. */
export function* checkRequestIdIndex(
  { entries, misplaced }: { readonly entries: bigint; readonly misplaced: bigint },
  rows: bigint,
  end: bigint,
): Generator<Finding> {
  const name = 'the index of request_ids has';
  if (entries !== rows) yield mismatch(undefined, 1n, end, `${name} ${entries} entries for ${rows} rows`);
  if (misplaced > 0n) yield mismatch(undefined, 1n, end, `${name} ${misplaced} entries that differ from their rows`);
}

/** The index of order_numbers does not have every row of a store. */
export function orderNumberIndex(storeId: bigint, entries: number, rows: number): Finding {
  const message = `the index of order_numbers has ${entries} entries for ${rows} rows of store ${storeId}`;
  return mismatch(storeId, 1n, BigInt(rows), message);
}

/** Entries of the index of order_numbers do not lead to their rows. */
export function misplacedOrderNumbers(storeId: bigint, misplaced: bigint, entries: bigint): Finding {
  const message = `the index of order_numbers has ${misplaced} entries of store ${storeId} that differ from their rows`;
  return mismatch(storeId, 1n, entries, message);
}
