import { OrderError } from '../errors.ts';
import type { DeclaredLoss } from './declared-losses.ts';
import type { IndexFault, RepeatedRequestId } from './index-check.ts';
import type { LedgerToVerify, PassRow, StoreRow } from './all-rows-check.ts';
import type { StoreCounter, StoreEntries } from './counters-check.ts';

/**
 * What a verification reads of a ledger. Each page is a short read of its own, so rows may come meanwhile: only those up
 * to `ledger.end` are verified, and a counter is read at the same moment as the end of its rows.
 */
export interface VerifySource {
  readonly ledger: LedgerToVerify;
  /** In order inside each sequence. */
  declaredLosses(): Promise<readonly DeclaredLoss[]>;
  indexes(): Promise<Indexes>;
  /** All rows up to the end, in order_id order. */
  allocations(): AsyncIterable<readonly PassRow[]>;
  /** What that reading found wrong with indexes that it compared on the way; undefined if it compares none. */
  readonly indexFaults?: () => readonly IndexFault[];
  /** All stores, in store_id order; the end of their rows only if that takes no scan per store. */
  stores(indexes: Indexes): AsyncIterable<readonly StoreCounter[]>;
  store(storeId: bigint): Promise<OneStore>;
  /** All rows of a store, in order_number order; some may be above the end. */
  storeRows(storeId: bigint): AsyncIterable<readonly StoreRow[]>;
  /** How many rows up to the end the index of order_numbers has per store; a store may come more than once. */
  orderNumberEntries(): AsyncIterable<readonly StoreEntries[]>;
  /** The entries of the index of request_ids for rows up to the end. */
  requestIds(): AsyncIterable<RequestIdPage>;
}

export interface Indexes {
  readonly faults: readonly IndexFault[];
  /** Whether all rows can be read by the index of order_numbers. */
  readonly byOrderNumber: boolean;
  /** The same for the index of request_ids. */
  readonly byRequestId: boolean;
}

export interface OneStore {
  /** Undefined if it has no row. */
  readonly lastNumber: bigint | undefined;
  /** Read after its rows: a store that is created meanwhile has one. */
  readonly counter: StoreCounter | undefined;
}

export interface RequestIdPage {
  readonly repeated: readonly RepeatedRequestId[];
  readonly entries: bigint;
  /** How many of them differ from the row that they lead to; undefined if the engine does not compare them. */
  readonly misplaced: bigint | undefined;
}

/**
 * Pages of at most `size` rows, or a few more; `read` returns the rows that follow a place. Throws LEDGER_DAMAGED if a
 * page ends where it began or before: damaged pages may lead in a circle, and reading them would never end.
 */
export async function* pagesOf<Row, Place extends bigint | number>(
  size: number,
  first: Place,
  placeOf: (row: Row) => Place,
  read: (after: Place) => readonly Row[] | Promise<readonly Row[]>,
): AsyncGenerator<readonly Row[]> {
  for (let after = first; ;) {
    const rows = await read(after);
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    if (rows.length < size) return;
    const place = placeOf(last);
    requireProgress(after, place);
    after = place;
  }
}

/** Throws LEDGER_DAMAGED unless the second place follows the first. */
export function requireProgress<Place extends bigint | number | string>(from: Place, to: Place): void {
  if (to > from) return;
  throw new OrderError('LEDGER_DAMAGED', `the ledger is damaged: what follows ${from} leads back to ${to}`);
}
