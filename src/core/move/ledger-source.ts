import type { LedgerContents } from './contents.ts';
import type { Place } from './place.ts';

/**
 * A ledger that leaves its place: read completely, then sealed, so that it never allocates again. From `hold` to `close`
 * nothing else writes it (P8).
 */
export interface LedgerSource extends LedgerContents {
  /** What the operator should know, one sentence each. */
  readonly warnings: readonly string[];
  /** Whether it was sealed, by an earlier run or by this one, or may have been. */
  readonly isSealed: boolean;
  /** Throws LedgerRefused if it was sealed for another place than this one. */
  requireNotElsewhere(place: Place): void;
  /** Keeps servers from allocating here. Contents and counts are final only after that. Also to be called if it is sealed. */
  hold(place: Place): Promise<void>;
  counts(): Promise<LedgerCounts>;
  /** Durable when it resolves. Rejects with LedgerRefused if that cannot be confirmed, though it may be sealed by then. */
  seal(place: Place): Promise<void>;
  /** Gives up a move that has not sealed it: servers may allocate here again. Rejects if they may not yet. */
  release(): Promise<void>;
  close(): Promise<void>;
}

export interface LedgerCounts {
  readonly rows: bigint;
  readonly stores: bigint;
}
