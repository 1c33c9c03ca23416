import type Database from 'better-sqlite3';
import { SqliteError } from 'better-sqlite3';
import type { Allocation } from '../../../core/allocation.ts';
import { LedgerRefused } from '../../../core/errors.ts';
import type { DeclaredLoss, LedgerCounters } from '../../../core/move/contents.ts';
import type { LedgerCounts, LedgerSource, Place } from '../../../core/move/ledger-source.ts';
import type { Store } from '../../../core/store.ts';
import { checkpoint } from '../file/checkpoint.ts';
import type { Fence } from '../file/fence.ts';
import { takeFence } from '../file/fence.ts';
import { findLedger, locateLedger } from '../file/ledger-files.ts';
import type { LedgerRow } from '../file/ledger-row.ts';
import { movedAway, requireLedgerRow, seal } from '../file/ledger-row.ts';
import { inspect } from '../file/inspection.ts';
import type { OpenLedger } from '../recovery/open-ledger.ts';
import { openLedger, requireOpenable } from '../recovery/open-ledger.ts';
import type { AllocationRow, StoreRow } from '../statements/rows.ts';
import { toAllocation, toStore } from '../statements/rows.ts';
import { requireFilledLedger } from '../file/schema.ts';

/** A ledger that leaves its file. The fence of the one writer (P8) is held until `close`. */
export class MoveSource implements LedgerSource {
  readonly name: string;
  readonly #fence: Fence;
  readonly #ledger: OpenLedger;
  readonly #statements: ReturnType<typeof prepare>;

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
    this.#statements = prepare(ledger.db);
  }

  get warnings(): readonly string[] {
    return this.#ledger.warnings;
  }

  get isSealed(): boolean {
    return this.#row.movedTo !== undefined;
  }

  /** The same place has the same name or the same identity: a failover may have given it another name. */
  requireNotElsewhere(place: Place): void {
    const { movedTo } = this.#row;
    if (!movedTo || movedTo.name === place.name || movedTo.identity === place.identity) return;
    throw movedAway(this.name, movedTo, 'serve that one');
  }

  get #row(): LedgerRow {
    return requireLedgerRow(this.#ledger.db, 'put a good copy back', this.name);
  }

  async counts(): Promise<LedgerCounts> {
    return { rows: this.#statements.rows.get() ?? 0n, stores: this.#statements.storeCount.get() ?? 0n };
  }

  async counters(): Promise<LedgerCounters> {
    const { ledgerId, firstOrderId, lastOrderId, lastCreateTimeMs } = this.#row;
    return { ledgerId, firstOrderId, lastOrderId, lastCreateTimeMs };
  }

  async allocationsAfter(orderId: bigint, limit: number): Promise<readonly Allocation[]> {
    return this.#statements.allocations.all(orderId, limit).map(toAllocation);
  }

  async storesAfter(storeId: bigint, limit: number): Promise<readonly Store[]> {
    return this.#statements.stores.all(storeId, limit).map(toStore);
  }

  async declaredLosses(): Promise<readonly DeclaredLoss[]> {
    const rows = this.#statements.losses.all();
    return rows.map(({ store_id, first, last, declare_time_ms }) => ({
      storeId: store_id ?? undefined,
      first,
      last,
      declareTimeMs: declare_time_ms,
    }));
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

function prepare(db: Database.Database) {
  return {
    rows: db.prepare<[], bigint>('SELECT count(*) FROM allocations').pluck(),
    storeCount: db.prepare<[], bigint>('SELECT count(*) FROM stores').pluck(),
    allocations: db.prepare<[bigint, number], AllocationRow>(
      'SELECT * FROM allocations WHERE order_id > ? ORDER BY order_id LIMIT ?',
    ),
    stores: db.prepare<[bigint, number], StoreRow>('SELECT * FROM stores WHERE store_id > ? ORDER BY store_id LIMIT ?'),
    losses: db.prepare<[], { store_id: bigint | null; first: bigint; last: bigint; declare_time_ms: bigint }>(
      'SELECT * FROM declared_losses ORDER BY store_id NULLS FIRST, first, last, declare_time_ms',
    ),
  };
}
