import { CallQueue } from '../../core/calls/call-queue.ts';
import type { Ledger } from '../../core/ledger.ts';
import { HISTORY_PAGES, LISTS, LOOKUPS, MAX_WAITING_CALLS, STORE_WRITES } from '../limits.ts';

/** The queues of all calls that are not allocations. */
export interface CallQueues {
  readonly reads: CallQueue<'lookup' | 'list'>;
  /** Pages of the watches, which are bounded by their number. */
  readonly history: CallQueue<'page'>;
  readonly stores: CallQueue<'write'>;
}

export function callQueuesOf(ledger: Ledger): CallQueues {
  return {
    reads: new CallQueue({ maxWaiting: MAX_WAITING_CALLS, lanes: { lookup: LOOKUPS, list: LISTS } }),
    history: new CallQueue({ maxWaiting: Infinity, lanes: { page: HISTORY_PAGES } }),
    stores: new CallQueue({
      maxWaiting: MAX_WAITING_CALLS,
      lanes: { write: STORE_WRITES },
      ready: () => ledger.ready(),
    }),
  };
}
