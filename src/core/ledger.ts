import type { Allocation, AllocationRequest } from './allocation.ts';
import type { OrderError } from './errors.ts';
import type { Store, StoreChanges, StoreSettings } from './store.ts';
import type { VerifyEvent } from './verify/events.ts';

/**
 * What became of one request of a committed batch. A replay is the original allocation of its
 * (storeId, requestId), whole, even where this request asked for another count.
 */
export type Outcome =
  { readonly allocation: Allocation; readonly replayed: boolean } | { readonly refused: OrderError };

/** Any order_id of the run, or any order_number of it with its store, or the request that made it. */
export type AllocationKey =
  | { readonly orderId: bigint }
  | { readonly storeId: bigint; readonly orderNumber: bigint }
  | { readonly storeId: bigint; readonly requestId: string };

/** A stretch of the ledger: the allocations whose last order_id is above one bound and whose first is not above the other. */
export interface AllocationRange {
  readonly afterOrderId: bigint;
  readonly upToOrderId: bigint;
  /** Whether the newest come first, and are those that `limit` leaves; the oldest unless said. */
  readonly newestFirst?: boolean;
  /** Only this store's; undefined means all. */
  readonly storeId: bigint | undefined;
  /** Allocations, at most. */
  readonly limit: number;
}

/** A stretch of the stores. */
export interface StoreRange {
  readonly afterStoreId: bigint;
  readonly upToStoreId: bigint;
  readonly limit: number;
}

/** Where a ledger ends. */
export interface LedgerEnd {
  /** Made once, at random: tells ledgers apart. */
  readonly ledgerId: string;
  readonly lastOrderId: bigint;
  /** The greatest id of a store; 0 where there is none. */
  readonly lastStoreId: bigint;
}

/**
 * Told of every commit that moved the end, in order: where the ledger ends now, and what it knows of the
 * allocations that led there, which may be only the last of them, or none.
 */
export type CommitListener = (lastOrderId: bigint, allocations: readonly Allocation[]) => void;

/**
 * The reads of a ledger. They give only what is durable, and wait for no commit that they can do without. They reject with
 * LEDGER_REOPENING while the ledger reopens, and with LEDGER_DAMAGED where it cannot be read.
 */
export interface LedgerReads {
  getStore(storeId: bigint): Promise<Store | undefined>;

  /** In storeId order. */
  listStores(range: StoreRange): Promise<readonly Store[]>;

  getAllocation(key: AllocationKey): Promise<Allocation | undefined>;

  /** In orderId order, or from its end. Its cost grows with what it returns, not with what it skips. */
  listAllocations(range: AllocationRange): Promise<readonly Allocation[]>;

  end(): Promise<LedgerEnd>;

  /**
   * Reads the ledger up to the end it has now, or one store's sequence of it, in many short reads, and checks
   * everything; the verdict comes last. Ending the iteration early ends the reading.
   */
  verify(storeId: bigint | undefined): AsyncIterable<VerifyEvent>;
}

/**
 * The durable record of every allocation, and the only place where numbers are made. An engine
 * implements it; every engine passes the same suite (test/support/engines/engine-suite.ts).
 *
 * What an engine promises:
 *
 * - A batch is one transaction: all of its new allocations become durable together, or none does.
 * - When `commit` resolves, everything in it, replays included, is on disk: it survives kill -9 and a
 *   power cut.
 * - Numbers come from counters read inside that transaction. Nothing is numbered from memory, so a
 *   refused or failed request leaves no hole.
 * - New pairs are given in the order of the batch, and create_time never falls, whatever the clock does.
 * - When `commit` rejects, nobody knows what is on disk. The engine then gives no number, replay or read
 *   until it has opened the ledger again and put on disk whatever it found there; where it can tell what was
 *   confirmed before, it may go on showing that.
 */
export interface Ledger {
  /**
   * Resolves when the ledger can commit: at once while it is open; when it has opened, while it opens or
   * reopens. Rejects with an OrderError when it cannot open without an operator.
   */
  ready(): Promise<void>;

  /**
   * Commits one batch and returns one outcome a request, in order. At most one commit is in flight, and
   * only after `ready` resolved. The (storeId, requestId) keys of a batch are distinct: the allocator
   * sees to that.
   *
   * A request for a store that is not there is refused with STORE_NOT_FOUND where the engine was told not to
   * make stores. Rejects with LEDGER_FULL where it is proven that nothing of the batch is durable; any other
   * rejection means that the outcome is unknown.
   */
  commit(batch: readonly AllocationRequest[]): Promise<readonly Outcome[]>;

  /** Makes a store. Rejects with STORE_EXISTS where it is there, with OUTCOME_UNKNOWN where nobody knows. */
  createStore(store: StoreSettings): Promise<Store>;

  /**
   * Changes a store from the next allocation on. Rejects with STORE_NOT_FOUND; with FIRST_NUMBER_FIXED for
   * another firstNumber after the first allocation; with OUTCOME_UNKNOWN where nobody knows.
   */
  updateStore(storeId: bigint, changes: StoreChanges): Promise<Store>;

  readonly reads: LedgerReads;

  /** Calls `listener` after each commit until the returned function is called. */
  onCommitted(listener: CommitListener): () => void;

  /** Puts everything on disk in its place and lets the ledger go. Nothing may be called afterwards. */
  close(): Promise<void>;
}
