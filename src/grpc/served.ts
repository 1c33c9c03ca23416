import type { Allocator } from '../allocator.ts';
import type { Ledger } from '../ledger.ts';
import type { Logger } from '../log.ts';
import type { CallObserver } from '../observers.ts';

/** What the methods of the service work on. */
export interface Served {
  readonly allocator: Allocator;
  readonly ledger: Ledger;
  readonly logger: Logger;
  readonly observer: CallObserver;
  /** Aborts when the server begins to stop: streams end then. */
  readonly stopping: AbortSignal;
}
