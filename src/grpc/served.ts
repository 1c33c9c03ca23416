import type { Allocator } from '../allocator.ts';
import type { Ledger } from '../ledger.ts';
import type { LedgerState } from '../ledger-state.ts';
import type { Logger } from '../log.ts';
import type { CallObserver } from '../observers.ts';

/** What the methods of the service work on. */
export interface Served {
  readonly allocator: Allocator;
  readonly ledger: Ledger;
  readonly logger: Logger;
  readonly observer: CallObserver;
  /** What refusals are explained with, if they are. */
  readonly state?: LedgerState;
  /** Aborts when the server begins to stop: streams end then. */
  readonly stopping: AbortSignal;
}
