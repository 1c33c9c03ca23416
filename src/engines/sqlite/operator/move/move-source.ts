import { SqliteError } from 'better-sqlite3';
import type { Allocation } from '../../../../core/allocation.ts';
import { LedgerRefused } from '../../../../core/errors.ts';
import type { DeclaredLoss, LedgerCounters } from '../../../../core/move/contents.ts';
import type { LedgerCounts, LedgerSource } from '../../../../core/move/ledger-source.ts';
import type { Place } from '../../../../core/move/place.ts';
import { isSamePlace } from '../../../../core/move/place.ts';
import type { Store } from '../../../../core/store.ts';
import { checkpoint } from '../../file/checkpoint.ts';
import type { Fence } from '../../file/fence.ts';
import { takeFence } from '../../file/fence.ts';
import { findLedger, locateLedger } from '../../file/ledger-files.ts';
import type { LedgerRow } from '../../file/ledger-row.ts';
import { movedAway, requireLedgerRow, seal } from '../../file/ledger-row.ts';
import { inspect } from '../../file/inspection.ts';
import type { OpenLedger } from '../../recovery/open-ledger.ts';
import { openLedger, requireOpenable } from '../../recovery/open-ledger.ts';
import { requireFilledLedger } from '../../file/schema.ts';
import { FileContents } from './file-contents.ts';

/** See {@link MoveSource.open}. */
export async function openMoveSource(path: string): Promise<LedgerSource> {
  return MoveSource.open(path);
}

/** A ledger that leaves its file. The fence of the one writer (P8) is held until `close`. */
export class MoveSource implements LedgerSource {
  readonly name: string;
  readonly #fence: Fence;
  readonly #ledger: OpenLedger;
  readonly #contents: FileContents;

  /**
   * Opens the ledger at `path` as a server would. Throws LedgerRefused if a server would be refused, or if there is no
   * ledger; one that is sealed is opened all the same.
   */
  static open(path: string): MoveSource {
    const files = locateLedger(findLedger(path));
    const look = () => {
      explained(files.database, () => requireFilled(files.database));
      requireOpenable(files, { use: 'moved' });
    };
    const fence = takeFence(files, look);
    try {
      return explained(files.database, () => {
        requireFilled(files.database);
        const ledger = openLedger(files, { use: 'moved' });
        if (ledger) return new MoveSource(files.database, fence, ledger);
        throw new LedgerRefused(`${files.database} is being read by another process; retry when that one has ended`);
      });
    } catch (error) {
      fence.release();
      throw error;
    }
  }

  private constructor(name: string, fence: Fence, ledger: OpenLedger) {
    this.name = name;
    this.#fence = fence;
    this.#ledger = ledger;
    this.#contents = new FileContents(name, ledger.db);
  }

  get warnings(): readonly string[] {
    return this.#ledger.warnings;
  }

  get isSealed(): boolean {
    return this.#row.movedTo !== undefined;
  }

  requireNotElsewhere(place: Place): void {
    const { movedTo } = this.#row;
    if (!movedTo || isSamePlace(movedTo, place)) return;
    throw movedAway(this.name, movedTo, 'serve that one');
  }

  get #row(): LedgerRow {
    return requireLedgerRow(this.#ledger.db, 'put a good copy back', this.name);
  }

  counts(): Promise<LedgerCounts> {
    return this.#contents.counts();
  }

  counters(): Promise<LedgerCounters> {
    return this.#contents.counters();
  }

  allocationsAfter(orderId: bigint, limit: number): Promise<readonly Allocation[]> {
    return this.#contents.allocationsAfter(orderId, limit);
  }

  storesAfter(storeId: bigint, limit: number): Promise<readonly Store[]> {
    return this.#contents.storesAfter(storeId, limit);
  }

  declaredLosses(): Promise<readonly DeclaredLoss[]> {
    return this.#contents.declaredLosses();
  }

  /**
   * Seals the file, on disk and in the database itself, not only in the WAL beside it. Rejects with LedgerRefused if
   * another process that reads keeps it in the WAL.
   */
  async seal(place: Place): Promise<void> {
    explained(this.name, () => {
      // A commit of its own, with the fsync of synchronous=FULL.
      seal(this.#ledger.db, place);
      if (checkpoint(this.#ledger.db, 'TRUNCATE').busy) {
        throw new LedgerRefused(
          `${this.name} is sealed, but another process reads it and keeps the seal in its -wal file; end that process, ` +
            'then run the same command again',
        );
      }
    });
  }

  /** The fence keeps everybody out anyway. */
  async hold(): Promise<void> {}

  async release(): Promise<void> {}

  async close(): Promise<void> {
    this.#ledger.mark.close();
    this.#ledger.db.close();
    this.#fence.release();
  }
}

/** Refuses an empty file, which opening would turn into a ledger. */
function requireFilled(database: string): void {
  inspect(database, requireFilledLedger);
}

/** Runs `work`; a failure of SQLite becomes one sentence that names the file. */
function explained<Result>(database: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof SqliteError)) throw error;
    throw new LedgerRefused(`${database} cannot be used: ${error.message} (${error.code})`);
  }
}
