import type { Allocator } from '../../core/allocator.ts';
import type { Ledger } from '../../core/ledger.ts';

/** What the methods of the service work on. */
export interface ServiceContext {
  readonly allocator: Allocator;
  readonly ledger: Ledger;
  /** Aborts when the server begins to stop: streams end then. */
  readonly stopping: AbortSignal;
}
