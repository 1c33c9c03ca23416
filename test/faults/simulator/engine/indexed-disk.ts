import type { Allocation, AllocationRequest } from '../../../../src/core/allocation.ts';
import { INT64_MAX, lastOrderIdOf } from '../../../../src/core/allocation.ts';
import type { AllocationKey, AllocationRange, Outcome } from '../../../../src/core/ledger.ts';
import { OrderError } from '../../../../src/core/errors.ts';
import { sequenceExhausted, storeNotFound } from '../../../../src/core/refusals.ts';
import { keyOf } from '../../seeded/run-judge.ts';
import { MemoryDisk, newStore } from '../../../support/engines/memory-ledger.ts';
import { MemoryReads } from '../../../support/engines/memory-reads.ts';

/** What one transaction has numbered; nothing of it is on the disk until it is told to persist. */
export interface Transaction {
  readonly outcomes: readonly Outcome[];
  persist(): void;
}

/** The disk of a model engine: rows in the order of their order_ids, and an index of their keys. */
export class IndexedDisk extends MemoryDisk {
  readonly byKey = new Map<string, Allocation>();

  /** Numbers a batch from the counters as they are now. */
  number(batch: readonly AllocationRequest[], autoCreateStores: boolean): Transaction {
    const rows: Allocation[] = [];
    const lastNumbers = new Map<bigint, bigint>();
    const createTimeMs = Math.max(Date.now(), this.lastCreateTimeMs);
    let { lastOrderId } = this;

    const outcomes = batch.map((request): Outcome => {
      const { storeId, count } = request;
      const original = this.byKey.get(keyOf(request));
      if (original) return { allocation: original, replayed: true };
      const known = this.stores.get(storeId);
      if (!known && !autoCreateStores) return { refused: storeNotFound(storeId) };
      const { prefix, suffix, minDigits, lastNumber: before } = known ?? newStore(storeId, createTimeMs);
      const lastNumber = lastNumbers.get(storeId) ?? before;
      const taken = BigInt(count);
      if (lastOrderId + taken > INT64_MAX || lastNumber + taken > INT64_MAX) {
        return { refused: sequenceExhausted(storeId) };
      }
      const pair = { orderId: lastOrderId + 1n, orderNumber: lastNumber + 1n };
      const allocation: Allocation = { ...request, ...pair, prefix, suffix, minDigits, createTimeMs };
      rows.push(allocation);
      lastOrderId += taken;
      lastNumbers.set(storeId, lastNumber + taken);
      return { allocation, replayed: false };
    });

    const persist = () => {
      for (const row of rows) {
        this.rows.push(row);
        this.byKey.set(keyOf(row), row);
      }
      for (const [storeId, lastNumber] of lastNumbers) {
        this.stores.set(storeId, { ...(this.stores.get(storeId) ?? newStore(storeId, createTimeMs)), lastNumber });
      }
      this.lastOrderId = lastOrderId;
      if (rows.length > 0) this.lastCreateTimeMs = createTimeMs;
    };
    return { outcomes, persist };
  }
}

/** The reads of an {@link IndexedDisk}; those that a run uses most do not look at every row. */
export class IndexedReads extends MemoryReads {
  readonly #disk: IndexedDisk;
  readonly #isOpen: () => boolean;

  constructor(disk: IndexedDisk, isOpen: () => boolean) {
    super(disk, isOpen);
    this.#disk = disk;
    this.#isOpen = isOpen;
  }

  override async getAllocation(key: AllocationKey): Promise<Allocation | undefined> {
    if (!('requestId' in key)) return super.getAllocation(key);
    this.#requireOpen();
    return this.#disk.byKey.get(keyOf(key));
  }

  override async listAllocations(range: AllocationRange): Promise<readonly Allocation[]> {
    if (range.newestFirst) return super.listAllocations(range);
    this.#requireOpen();
    const { rows } = this.#disk;
    const found: Allocation[] = [];
    for (let i = this.#firstAfter(range.afterOrderId); i < rows.length && found.length < range.limit; i++) {
      const row = rows[i]!;
      if (row.orderId > range.upToOrderId) break;
      if (range.storeId === undefined || row.storeId === range.storeId) found.push(row);
    }
    return found;
  }

  /** The place of the first row that ends above an order_id. */
  #firstAfter(orderId: bigint): number {
    const { rows } = this.#disk;
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (lastOrderIdOf(rows[middle]!) > orderId) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #requireOpen(): void {
    if (!this.#isOpen()) throw new OrderError('LEDGER_REOPENING', 'the ledger is being opened; retry');
  }
}
