import type { Allocator } from '../../core/allocator.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { ServerWatch } from '../figures/server-watch.ts';
import type { Logger } from '../log/log.ts';

/** What the methods of the service work on. */
export interface ServiceContext {
  readonly allocator: Allocator;
  readonly ledger: Ledger;
  readonly logger: Logger;
  /** Aborts when the server begins to stop: streams end then. */
  readonly stopping: AbortSignal;
  readonly serverWatch: ServerWatch;
  /** Aborts when the server has drained: what may go on until then ends. */
  readonly closing: AbortSignal;
}
