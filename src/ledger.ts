import type { Allocation, AllocationRequest } from './allocation.ts';
import type { OrderError } from './errors.ts';

/**
 * What became of one request of a committed batch. A replay is the original allocation of its
 * (storeId, requestId), whole, even where this request asked for another count.
 */
export type Outcome =
  { readonly allocation: Allocation; readonly replayed: boolean } | { readonly refused: OrderError };

/**
 * The durable record of every allocation, and the only place where numbers are made. An engine
 * implements it; every engine passes the same suite (test/support/engine-suite.ts).
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
 *   until it has opened the ledger again and put on disk whatever it found there.
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
   * Rejects with LEDGER_FULL where it is proven that nothing of the batch is durable; any other
   * rejection means that the outcome is unknown.
   */
  commit(batch: readonly AllocationRequest[]): Promise<readonly Outcome[]>;

  /**
   * Up to `limit` allocations with an orderId above `afterOrderId`, in orderId order: only what is
   * durable. Never waits for a commit. Rejects with LEDGER_REOPENING while the ledger reopens.
   */
  listAllocations(afterOrderId: bigint, limit: number): Promise<readonly Allocation[]>;

  /** Puts everything on disk in its place and lets the ledger go. Nothing may be called afterwards. */
  close(): Promise<void>;
}
