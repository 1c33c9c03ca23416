import type { Allocator } from '../../core/allocator.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { LedgerState } from '../../core/ledger-state.ts';
import type { Logger } from '../log/log.ts';
import type { CallObserver } from '../../core/observers.ts';

/** What the methods of the service work on. */
export interface ServiceContext {
  readonly allocator: Allocator;
  readonly ledger: Ledger;
  readonly logger: Logger;
  readonly observer: CallObserver;
  /** What refusals are explained with, if they are. */
  readonly state?: LedgerState;
  /** Aborts when the server begins to stop: streams end then. */
  readonly stopping: AbortSignal;
}
