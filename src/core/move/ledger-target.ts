import type { Allocation } from '../allocation.ts';
import type { VerifyEvent } from '../verify/events.ts';
import type { LedgerContents, LedgerCounters } from './contents.ts';

/** The ledger that moves in. */
export type MovedId = Pick<LedgerCounters, 'ledgerId' | 'firstOrderId'>;

/** How far a move into this place has come: still copying, or finished by an earlier run. */
export type MovingState = 'unfinished' | 'done';

/**
 * The place that a ledger moves into. From `claim` to `activate` no server allocates in it, and no other move writes to it
 * until `close`. Each method resolves once its change is durable.
 */
export interface LedgerTarget {
  /** Without secrets. */
  readonly name: string;
  /** How the operator empties it again, as an instruction. */
  readonly howToEmpty: string;
  /** What it holds so far. */
  readonly contents: LedgerContents;
  /** The same under every name of the place. */
  identity(): Promise<string>;
  /**
   * Keeps servers from allocating here from now on, unless an earlier run has done everything. Rejects with LedgerRefused
   * if this place has anything but the unfinished copy of this very ledger. If the source `isSealed`, an empty ledger is
   * refused as well: the copy is gone, and it may have allocated numbers.
   */
  claim(ledger: MovedId, isSealed: boolean): Promise<MovingState>;
  /** Ends the sessions that servers opened before the claim. Rejects with LedgerRefused if they cannot be ended. */
  endOtherSessions(): Promise<void>;
  /** The order_id of the last copied row, 0 if there is none. Rows come in order, so none before it is missing. */
  lastCopied(): Promise<bigint>;
  /** If it rejects, `lastCopied` says how many of them are here. */
  addAllocations(allocations: readonly Allocation[]): Promise<void>;
  /** Takes everything but the allocations from another ledger, in place of what is here. If it rejects, it may be half done. */
  takeCounters(from: LedgerContents): Promise<void>;
  /** Verifies what is here, up to the end that its counter has. */
  verify(): AsyncIterable<VerifyEvent>;
  /** Lets servers allocate here. Call it only after the source was sealed. */
  activate(ledgerId: string): Promise<void>;
  close(): Promise<void>;
}
