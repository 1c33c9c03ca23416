import type { Allocation } from '../allocation.ts';
import type { CommitListener, Outcome } from '../ledger.ts';

/** Tells listeners how far a ledger has come. Every engine has one. */
export class CommitFeed {
  readonly #listeners = new Set<CommitListener>();
  #lastOrderId = 0n;

  /** The end of the ledger that listeners were told last. */
  get lastOrderId(): bigint {
    return this.#lastOrderId;
  }

  get hasListeners(): boolean {
    return this.#listeners.size > 0;
  }

  /** See Ledger.onCommitted. */
  listen(listener: CommitListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** This process committed a batch: tells its new allocations. */
  committed(lastOrderId: bigint, outcomes: readonly Outcome[]): void {
    // Without listeners, nothing is collected.
    this.#tell(lastOrderId, this.hasListeners ? newAllocations(outcomes) : []);
  }

  /** The ledger ends there, whichever process committed it. */
  endsAt(lastOrderId: bigint): void {
    this.#tell(lastOrderId, []);
  }

  /** Forgets all listeners. */
  close(): void {
    this.#listeners.clear();
  }

  /** Tells only what lies beyond the end that was told last: a batch of replays moves nothing. */
  #tell(lastOrderId: bigint, allocations: readonly Allocation[]): void {
    if (lastOrderId <= this.#lastOrderId) return;
    this.#lastOrderId = lastOrderId;
    for (const listener of this.#listeners) listener(lastOrderId, allocations);
  }
}

/** In the order of the batch, which is that of their order_ids. */
function newAllocations(outcomes: readonly Outcome[]): Allocation[] {
  return outcomes.flatMap((outcome) => ('allocation' in outcome && !outcome.replayed ? [outcome.allocation] : []));
}
