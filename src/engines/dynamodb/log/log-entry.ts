import type { Allocation } from '../../../core/allocation.ts';
import type { DeclaredLoss } from '../../../core/move/contents.ts';
import type { Store } from '../../../core/store.ts';

/** What a log entry changes. Every change of a ledger is one. */
export interface LogChange {
  /** The end of the sequence over all stores after it. */
  readonly lastOrderId: bigint;
  /** The last create_time after it, in whole milliseconds since 1970. */
  readonly createTimeMs: number;
  /** Every store that it creates, changes or numbers for, as it is afterwards. */
  readonly stores: readonly Store[];
  /** Those of `stores` that it creates. */
  readonly created: ReadonlySet<bigint>;
  /** In the order of their numbers, which end at the counters above and have no hole. */
  readonly allocations: readonly Allocation[];
  readonly losses: readonly DeclaredLoss[];
  /** Whether a ledger is still being moved here, so that no server may number yet. */
  readonly isMoving: boolean;
  /** Where the ledger is being moved to, so that no server may number until that is done or given up. */
  readonly leavingFor?: string | undefined;
  /** Where the ledger has gone: nothing follows. */
  readonly movedTo: string | undefined;
}

/** What its writer tells the other servers. */
export interface LogWriter {
  /** Random, one per process. */
  readonly server: string;
  /** The writer has seen the derived items of all its entries up to here written. */
  readonly indexedTo: number;
  /** How long its puts take, in milliseconds. */
  readonly putMs: number;
  /** How often it found the position taken before. */
  readonly lostRaces: number;
}

/** What follows the genesis at `position`: 1, 2, 3, … */
export interface LogEntry extends LogChange, LogWriter {
  readonly position: number;
  /** Random, so that a server recognizes its own. The genesis has the ledger_id. */
  readonly batchId: string;
  /** The batchId of the entry before. */
  readonly previous: string;
}

/** The entry at position 0. */
export interface Genesis {
  readonly ledgerId: string;
  readonly firstOrderId: bigint;
  readonly isMoving: boolean;
}
