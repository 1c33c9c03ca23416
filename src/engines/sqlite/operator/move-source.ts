import type Database from 'better-sqlite3';
import { SqliteError } from 'better-sqlite3';
import type { Allocation } from '../../../core/allocation.ts';
import { LedgerRefused } from '../../../core/errors.ts';
import type { DeclaredLoss, LedgerContents, LedgerCounters } from '../../../core/move/contents.ts';
import type { Store } from '../../../core/store.ts';
import type { LedgerSummary } from './backup-check.ts';
import { summarize } from './backup-check.ts';
import { movedAway } from '../recovery/opening-check.ts';
import { checkpoint } from '../file/connection.ts';
import type { Fence } from '../file/fence.ts';
import { takeFence } from '../file/fence.ts';
import { findLedger, locateLedger } from '../file/ledger-files.ts';
import { inspect } from '../file/inspection.ts';
import type { OpenLedger } from '../recovery/open-ledger.ts';
import { openLedger, requireOpenable } from '../recovery/open-ledger.ts';
import type { AllocationRow, StoreRow } from '../statements/rows.ts';
import { toAllocation, toStore } from '../statements/rows.ts';
import { requireFilledLedger } from '../file/schema.ts';

/** Where a ledger moves to. */
export interface Place {
  /** Without secrets; another one after a failover, perhaps. */
  readonly name: string;
  /** What it is under every name. */
  readonly identity: string;
}

/**
 * A ledger that leaves its file: read out whole, then sealed, so that it never numbers again. Nobody else writes it
 * until `close`, because the fence of the one writer (P8) is held.
 */
export class MovingOut implements LedgerContents {
  readonly name: string;
  readonly #fence: Fence;
  readonly #ledger: OpenLedger;
  readonly #statements: ReturnType<typeof prepare>;

  /**
   * Opens the ledger at `path` as a server would. Throws LedgerRefused where a server would be refused, and where no
   * ledger is there; one that is sealed is opened all the same.
   */
  static open(path: string): MovingOut {
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
        if (ledger) return new MovingOut(files.database, fence, ledger);
        throw new LedgerRefused(
          `${files.database} is being read by another process: try again when that one has ended`,
        );
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

  /** What the operator should know, one sentence each. */
  get warnings(): readonly string[] {
    return this.#ledger.warnings;
  }

  get isSealed(): boolean {
    return this.#sealedTo !== undefined;
  }

  /**
   * Throws LedgerRefused where the file is sealed, and to another place than this one: neither of the same name nor the
   * same database, which a failover may have given another name.
   */
  requireNotElsewhere(place: Place): void {
    const sealedTo = this.#sealedTo;
    if (sealedTo === undefined || sealedTo.startsWith(`${place.name} (`)) return;
    if (sealedTo.endsWith(` (${place.identity})`)) return;
    throw movedAway(this.name, sealedTo);
  }

  get #sealedTo(): string | undefined {
    return this.#statements.sealedTo.get() ?? undefined;
  }

  summary(): LedgerSummary {
    return summarize(this.#ledger.db);
  }

  async counters(): Promise<LedgerCounters> {
    const row = this.#statements.counters.get();
    if (!row) throw new LedgerRefused(`${this.name} is damaged: its counter is gone; put a good copy back`);
    return {
      ledgerId: row.ledger_id,
      firstOrderId: row.first_order_id,
      lastOrderId: row.last_order_id,
      lastCreateTimeMs: row.last_create_time_ms,
    };
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
   * Seals the file: when this returns, that is on disk and in the database itself, not only in the WAL beside it.
   * Throws LedgerRefused where it is on disk and another process that reads keeps it in the WAL.
   */
  seal({ name, identity }: Place): void {
    explained(this.name, () => {
      // A commit of its own, with the fsync of synchronous=FULL.
      this.#statements.seal.run(`${name} (${identity})`);
      if (checkpoint(this.#ledger.db, 'TRUNCATE').busy) {
        throw new LedgerRefused(
          `${this.name} is sealed, but another process reads it and keeps the seal in its -wal file: end that one, and ` +
            'run the same command again',
        );
      }
    });
  }

  close(): void {
    this.#ledger.mark.close();
    this.#ledger.db.close();
    this.#fence.release();
  }
}

/** What is no ledger yet would be made one by opening it. */
function requireFilled(database: string): void {
  inspect(database, requireFilledLedger);
}

/** Runs `work`; what SQLite cannot do with the file is said in one sentence. */
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
    counters: db.prepare<
      [],
      { ledger_id: string; first_order_id: bigint; last_order_id: bigint; last_create_time_ms: bigint }
    >('SELECT ledger_id, first_order_id, last_order_id, last_create_time_ms FROM ledger'),
    sealedTo: db.prepare<[], string | null>('SELECT sealed_to FROM ledger').pluck(),
    seal: db.prepare<[string]>('UPDATE ledger SET sealed_to = ?'),
    allocations: db.prepare<[bigint, number], AllocationRow>(
      'SELECT * FROM allocations WHERE order_id > ? ORDER BY order_id LIMIT ?',
    ),
    stores: db.prepare<[bigint, number], StoreRow>('SELECT * FROM stores WHERE store_id > ? ORDER BY store_id LIMIT ?'),
    losses: db.prepare<[], { store_id: bigint | null; first: bigint; last: bigint; declare_time_ms: bigint }>(
      'SELECT * FROM declared_losses ORDER BY store_id NULLS FIRST, first, last, declare_time_ms',
    ),
  };
}
