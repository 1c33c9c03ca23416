import type { Allocation } from '../../../src/core/allocation.ts';
import type { DeclaredLoss, LedgerContents, LedgerCounters } from '../../../src/core/move/contents.ts';
import { COPY_PAGE } from '../../../src/core/move/contents.ts';
import type { Store } from '../../../src/core/store.ts';

/** Two pages and a half. */
export const ROWS = 2.5 * COPY_PAGE;
const STYLE = { prefix: 'A', suffix: '', minDigits: 0 };

function newStore(storeId: bigint): Store {
  return { storeId, firstNumber: 100n, lastNumber: 99n, createTimeMs: 5, ...STYLE };
}

/** A ledger in memory that does not change. */
export class MemoryContents implements LedgerContents {
  readonly name: string;
  lastCreateTimeMs = 9n;
  allocations: Allocation[] = Array.from({ length: ROWS }, (_, i) => ({
    orderId: BigInt(i + 1),
    storeId: 7n,
    orderNumber: BigInt(i + 100),
    count: 1,
    requestId: `r${i}`,
    createTimeMs: 5,
    caller: '',
    ...STYLE,
  }));
  stores: Store[] = [newStore(7n), newStore(8n)];
  losses: DeclaredLoss[] = [
    { storeId: undefined, first: 5n, last: 6n, declareTimeMs: 7n },
    { storeId: 7n, first: 5n, last: 6n, declareTimeMs: 7n },
  ];

  constructor(name: string) {
    this.name = name;
  }

  async counters(): Promise<LedgerCounters> {
    const { lastCreateTimeMs } = this;
    return { ledgerId: 'one', firstOrderId: 1n, lastOrderId: BigInt(ROWS), lastCreateTimeMs };
  }

  async allocationsAfter(orderId: bigint, limit: number): Promise<readonly Allocation[]> {
    return this.allocations.filter((allocation) => allocation.orderId > orderId).slice(0, limit);
  }

  async storesAfter(storeId: bigint, limit: number): Promise<readonly Store[]> {
    return this.stores.filter((store) => store.storeId > storeId).slice(0, limit);
  }

  async declaredLosses(): Promise<readonly DeclaredLoss[]> {
    return this.losses;
  }
}
