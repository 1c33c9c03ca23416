import type { OrderError } from './errors.ts';
import type { ClosedReason } from './ledger-state.ts';

/** A batch that has ended, as it is reported to the calls that had requests in it. */
export interface EndedBatch {
  /** Its requests. */
  readonly requests: number;
  /** When it was formed, by performance.now(). */
  readonly formedAt: number;
  /** From forming the batch to the ledger's answer, or to its failure. */
  readonly ms: number;
}

/** A batch that is on disk. */
export interface BatchSummary {
  /** Its requests that got new numbers. */
  readonly allocated: number;
  /** Its calls that were answered with earlier numbers: retries and duplicates. */
  readonly replayed: number;
  /** The create_time of its new allocations, in milliseconds since 1970; 0 if it has none. */
  readonly createTimeMs: number;
  /** From forming the batch to the ledger's answer. */
  readonly ms: number;
}

/** Is told of every batch, for metrics; returns immediately and never throws. */
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

/** What a ledger tells the server that runs it; each call returns immediately and never throws. */
export interface LedgerObserver {
  /** It can allocate now. */
  opened(ledger: OpenedLedger): void;
  /** It cannot allocate until it opens (again): `why` is a sentence for operators, and callers may read `reason`. */
  waiting(why: string, reason: ClosedReason): void;
  /** It cannot allocate until an operator acts. */
  failed(error: OrderError): void;
  /** Its open files were moved or removed: it never allocates again, and the process has to end. */
  lost(why: string): void;
  /** Something that needs attention but stops nothing. */
  warning(message: string): void;
  /** A transaction committed: how long it took, and how much of that the disk took, if the engine can tell. */
  transaction(ms: number, syncMs?: number): void;
}
