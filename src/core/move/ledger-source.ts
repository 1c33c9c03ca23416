import type { LedgerContents } from './contents.ts';

/** The place that a ledger moves to. */
export interface Place {
  /** Without secrets; a failover may change it. */
  readonly name: string;
  /** The same under every name. */
  readonly identity: string;
}

/**
 * A ledger that leaves its place: read completely, then sealed, so that it never allocates again. From its opening to
 * `close` nothing else writes it (P8).
 */
export interface LedgerSource extends LedgerContents {
  /** What the operator should know, one sentence each. */
  readonly warnings: readonly string[];
  /** Whether it was sealed, by an earlier run or by this one. */
  readonly isSealed: boolean;
  /** Throws LedgerRefused if it was sealed for another place than this one. */
  requireNotElsewhere(place: Place): void;
  counts(): Promise<LedgerCounts>;
  /** Durable when it resolves. Rejects with LedgerRefused if that cannot be confirmed, though it may be sealed by then. */
  seal(place: Place): Promise<void>;
  close(): Promise<void>;
}

export interface LedgerCounts {
  readonly rows: bigint;
  readonly stores: bigint;
}
