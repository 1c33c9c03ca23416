import type Database from 'better-sqlite3';
import type { Allocation } from '../../../../core/allocation.ts';
import type { DeclaredLoss, LedgerContents, LedgerCounters } from '../../../../core/move/contents.ts';
import type { LedgerCounts } from '../../../../core/move/ledger-source.ts';
import type { Store } from '../../../../core/store.ts';
import { requireLedgerRow } from '../../file/ledger-row.ts';
import type { AllocationRow, StoreRow } from '../../statements/rows.ts';
import { toAllocation, toStore } from '../../statements/rows.ts';

/** A whole ledger in a file, while nobody numbers in it. */
export class FileContents implements LedgerContents {
  readonly name: string;
  readonly #db: Database.Database;
  readonly #statements: ReturnType<typeof prepare>;

  /** `name` is the file's, for messages. */
  constructor(name: string, db: Database.Database) {
    this.name = name;
    this.#db = db;
    this.#statements = prepare(db);
  }

  async counts(): Promise<LedgerCounts> {
    return { rows: this.#statements.rows.get() ?? 0n, stores: this.#statements.storeCount.get() ?? 0n };
  }

  async counters(): Promise<LedgerCounters> {
    const row = requireLedgerRow(this.#db, 'put a good copy back', this.name);
    const { ledgerId, firstOrderId, lastOrderId, lastCreateTimeMs } = row;
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
