import type { Allocation, AllocationRequest } from './allocation.ts';
import type { OrderError } from './errors.ts';
import type { ChangedStore, Store, StoreChanges, StoreSettings } from './store.ts';
import type { VerifyEvent } from './verify/events.ts';

/**
 * The outcome of one request of a committed batch. A replay is the whole original allocation of its (storeId,
 * requestId), even if this request asked for another count.
 */
export type Outcome =
  { readonly allocation: Allocation; readonly replayed: boolean } | { readonly refused: OrderError };

/** Any order_id of the run, or its store and any order_number of the run, or its store and request. */
export type AllocationKey =
  | { readonly orderId: bigint }
  | { readonly storeId: bigint; readonly orderNumber: bigint }
  | { readonly storeId: bigint; readonly requestId: string };

/**
 * A range of the ledger: the allocations whose last order_id is above one bound and whose first is not above the other.
 */
export interface AllocationRange {
  readonly afterOrderId: bigint;
  readonly upToOrderId: bigint;
  /** Whether the newest come first, and are the ones that `limit` keeps. By default it is the oldest. */
  readonly newestFirst?: boolean;
  /** Only this store's; undefined means all. */
  readonly storeId: bigint | undefined;
  /** Allocations, at most. */
  readonly limit: number;
}

/** A range of the stores. */
export interface StoreRange {
  readonly afterStoreId: bigint;
  readonly upToStoreId: bigint;
  readonly limit: number;
}

/** The end of a ledger. */
export interface LedgerEnd {
  /** Created once, at random, to tell ledgers apart. */
  readonly ledgerId: string;
  readonly lastOrderId: bigint;
  /** The greatest id of a store; 0 if there is none. */
  readonly lastStoreId: bigint;
  /** Whether there may be more, which cannot be confirmed now: what ends at lastOrderId is not the whole. */
  readonly mayHaveMore?: boolean;
}

/**
 * Called after every commit that moved the end, in order, with the new end of the ledger and the known allocations that
 * led there, which may be only the last of them, or none.
 */
export type CommitListener = (lastOrderId: bigint, allocations: readonly Allocation[]) => void;

/**
 * The reads of a ledger. They return only what is durable, and wait for no commit that they can do without. They reject
 * with LEDGER_REOPENING while the ledger reopens, and with LEDGER_DAMAGED if it cannot be read.
 */
export interface LedgerReads {
  getStore(storeId: bigint): Promise<Store | undefined>;

  /** In storeId order. */
  listStores(range: StoreRange): Promise<readonly Store[]>;

  getAllocation(key: AllocationKey): Promise<Allocation | undefined>;

  /** In orderId order, or newest first. The cost grows with what it returns, not with what it skips. */
  listAllocations(range: AllocationRange): Promise<readonly Allocation[]>;

  end(): Promise<LedgerEnd>;

  /**
   * Reads the ledger up to its present end, or one store's sequence of it, in many short reads, and checks everything.
   * The verdict comes last. Ending the iteration early ends the reading.
   */
  verify(storeId: bigint | undefined): AsyncIterable<VerifyEvent>;
}

/**
 * The durable record of every allocation, and the only place where numbers are created. An engine implements it; every
 * engine passes the same suite (test/support/engines/engine-suite.ts).
 *
 * What an engine promises:
 *
 * - A batch is one transaction: all of its new allocations become durable together, or none does. An engine whose
 *   transactions are small may cut a large batch into several, one after the other; a request is never cut.
 * - When `commit` resolves, the whole batch is on disk, replays included: it survives kill -9 and a power cut.
 * - Numbers come from counters read inside that transaction, or known to be up to date by a condition of it. So a
 *   refused or failed request leaves no hole.
 * - New pairs are given in the order of the batch, and create_time never falls, whatever the clock does.
 * - When `commit` rejects, the state on disk is unknown. The engine then gives no number, replay or read until it has
 *   reopened the ledger and put on disk whatever it found there. It may go on showing what it knows to be confirmed.
 */
export interface Ledger {
  /**
   * Resolves when the ledger can commit: at once while it is open, otherwise when it has opened or reopened. Rejects
   * with an OrderError if it cannot open without an operator.
   */
  ready(): Promise<void>;

  /**
   * Commits one batch and returns one outcome per request, in order. At most one commit is in flight, and only after
   * `ready` resolved. The allocator ensures that the (storeId, requestId) keys of a batch are distinct.
   *
   * A request for a store that does not exist is refused with STORE_NOT_FOUND if the engine was told not to create
   * stores. Rejects with LEDGER_FULL if it is proven that nothing of the batch is durable; after any other rejection
   * the outcome is unknown.
   *
   * An engine that has to form the batch again, because another server was first, asks `isWanted` of each place in it,
   * and refuses with CANCELLED what is not: nobody waits for that request any more.
   */
  commit(batch: readonly AllocationRequest[], isWanted?: (index: number) => boolean): Promise<readonly Outcome[]>;

  /** Creates a store. Rejects with STORE_EXISTS, or with OUTCOME_UNKNOWN if it may have been created. */
  createStore(store: StoreSettings): Promise<Store>;

  /**
   * Changes a store from the next allocation on; nothing else changes it in between. Rejects with STORE_NOT_FOUND, with
   * FIRST_NUMBER_FIXED for another firstNumber after the first allocation, or OUTCOME_UNKNOWN if it may have changed.
   */
  updateStore(storeId: bigint, changes: StoreChanges): Promise<ChangedStore>;

  readonly reads: LedgerReads;

  /** Calls `listener` after each commit until the returned function is called. */
  onCommitted(listener: CommitListener): () => void;

  /** Puts everything on disk in its place and releases the ledger. Nothing may be called afterwards. */
  close(): Promise<void>;
}
