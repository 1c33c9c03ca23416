import { CallQueue } from '../../core/call-queue.ts';
import type { Ledger } from '../../core/ledger.ts';

/** Calls waiting, for reads and for store writes each. */
const MAX_WAITING = 256;
/** Lookups are short; they share one thread or a few connections with the lists. */
const LOOK_UPS = { maxRunning: 64, maxWaiting: MAX_WAITING };
/** A page may have 1000 rows: one at a time, so that a lookup waits for one page at most. */
const LISTS = { maxRunning: 1, maxWaiting: MAX_WAITING / 2 };
/** One at a time, so that no batch of allocations waits for more than one of them. */
const STORE_WRITES = { maxRunning: 1, maxWaiting: MAX_WAITING };

/** Where calls that are not allocations wait. */
export interface CallQueues {
  readonly reads: CallQueue<'look-up' | 'list'>;
  /** Pages of the watches, which are bounded by their number. */
  readonly history: CallQueue<'page'>;
  readonly stores: CallQueue<'write'>;
}

export function callQueuesOf(ledger: Ledger): CallQueues {
  return {
    reads: new CallQueue({ maxWaiting: MAX_WAITING, lanes: { 'look-up': LOOK_UPS, list: LISTS } }),
    history: new CallQueue({ maxWaiting: Infinity, lanes: { page: { maxRunning: 1, maxWaiting: Infinity } } }),
    stores: new CallQueue({
      maxWaiting: MAX_WAITING,
      lanes: { write: STORE_WRITES },
      ready: () => ledger.ready(),
    }),
  };
}
