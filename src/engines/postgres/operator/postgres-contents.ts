import type { Allocation } from '../../../core/allocation.ts';
import { LedgerRefused } from '../../../core/errors.ts';
import type { DeclaredLoss, LedgerContents, LedgerCounters } from '../../../core/move/contents.ts';
import type { Store } from '../../../core/store.ts';
import type { AllocationRow, Query, StoreRow } from '../statements/rows.ts';
import { toAllocations, toStores } from '../statements/rows.ts';

interface LedgerRow {
  readonly ledger_id: string;
  readonly first_order_id: bigint;
  readonly last_order_id: bigint;
  readonly last_create_time_ms: bigint;
}

/** A whole ledger, read by its owner from the tables themselves. */
export class PostgresContents implements LedgerContents {
  readonly name: string;
  readonly #query: Query;

  constructor(name: string, query: Query) {
    this.name = name;
    this.#query = query;
  }

  async counters(): Promise<LedgerCounters> {
    const [row] = await this.#query<LedgerRow>('SELECT * FROM order_numbers.ledger');
    if (!row) throw new LedgerRefused(`the table order_numbers.ledger of ${this.name} is empty`);
    const { ledger_id: ledgerId, first_order_id: firstOrderId, last_order_id: lastOrderId } = row;
    return { ledgerId, firstOrderId, lastOrderId, lastCreateTimeMs: row.last_create_time_ms };
  }

  async allocationsAfter(orderId: bigint, limit: number): Promise<readonly Allocation[]> {
    const text = `SELECT allocations.*, coalesce(caller, '') AS caller
      FROM order_numbers.allocations LEFT JOIN order_numbers.callers USING (order_id)
      WHERE order_id > $1 ORDER BY order_id LIMIT $2`;
    return toAllocations(await this.#query<AllocationRow>(text, [orderId, limit]));
  }

  async storesAfter(storeId: bigint, limit: number): Promise<readonly Store[]> {
    const text = 'SELECT * FROM order_numbers.stores WHERE store_id > $1 ORDER BY store_id LIMIT $2';
    return toStores(await this.#query<StoreRow>(text, [storeId, limit]));
  }

  async declaredLosses(): Promise<readonly DeclaredLoss[]> {
    const rows = await this.#query<{ store_id: bigint | null; first: bigint; last: bigint; declare_time_ms: bigint }>(
      'SELECT * FROM order_numbers.declared_losses ORDER BY store_id NULLS FIRST, first, last, declare_time_ms',
    );
    return rows.map(({ store_id, first, last, declare_time_ms }) => ({
      storeId: store_id ?? undefined,
      first,
      last,
      declareTimeMs: declare_time_ms,
    }));
  }
}
