import type { OrderError } from './errors.ts';
import type { ClosedReason } from './ledger-state.ts';

/** A batch that is on disk. */
export interface BatchSummary {
  /** Requests of it that got new numbers. */
  readonly allocated: number;
  /** Calls of it that were answered with old ones. */
  readonly replayed: number;
  /** The create_time of its new allocations, in milliseconds since 1970; 0 if it has none. */
  readonly createTimeMs: number;
  /** From its forming to its answer from the ledger. */
  readonly ms: number;
}

/** Told of every batch, for metrics; returns at once and never throws. */
export interface BatchObserver {
  committed(batch: BatchSummary): void;
}

/** A ledger that was opened. */
export interface OpenedLedger {
  /** Its place, without secrets: an absolute path, or the name of a database. */
  readonly where: string;
  readonly ledgerId: string;
  readonly lastOrderId: bigint;
  /** Whether this opening has created it. */
  readonly isNew: boolean;
  /** Its size, if that was asked for. */
  readonly bytes: number | undefined;
}

/** What a ledger tells the server that runs it; each call returns at once and never throws. */
export interface LedgerObserver {
  /** It may number now. */
  opened(ledger: OpenedLedger): void;
  /** It does not number until it has opened (again): why, in one sentence, and in words that callers may read. */
  waiting(why: string, reason: ClosedReason): void;
  /** It will not number until an operator has acted. */
  failed(error: OrderError): void;
  /** Its files were taken away under it: it never numbers again, and the process has to end. */
  lost(why: string): void;
  /** Something to look after that stops nothing. */
  warning(message: string): void;
  /** A transaction committed: how long it took, and how much of that the disk took, if the engine can tell. */
  transaction(ms: number, syncMs?: number): void;
}
