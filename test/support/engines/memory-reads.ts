import type { Allocation } from '../../../src/core/allocation.ts';
import { INT64_MAX } from '../../../src/core/allocation.ts';
import { OrderError } from '../../../src/core/errors.ts';
import type {
  AllocationKey,
  AllocationRange,
  Ledger,
  LedgerEnd,
  LedgerReads,
  StoreRange,
} from '../../../src/core/ledger.ts';
import type { Store } from '../../../src/core/store.ts';
import type { NumberRange, VerifyEvent } from '../../../src/core/verify/events.ts';
import type { MemoryDisk } from './memory-ledger.ts';

/** The reads of the ledger in memory, as plainly as can be. */
export class MemoryReads implements LedgerReads {
  readonly #disk: MemoryDisk;
  readonly #isOpen: () => boolean;

  constructor(disk: MemoryDisk, isOpen: () => boolean) {
    this.#disk = disk;
    this.#isOpen = isOpen;
  }

  async getStore(storeId: bigint): Promise<Store | undefined> {
    return this.#opened().stores.get(storeId);
  }

  async listStores({ afterStoreId, upToStoreId, limit }: StoreRange): Promise<readonly Store[]> {
    const stores = [...this.#opened().stores.values()].toSorted((a, b) => (a.storeId < b.storeId ? -1 : 1));
    return stores.filter(({ storeId }) => storeId > afterStoreId && storeId <= upToStoreId).slice(0, limit);
  }

  async getAllocation(key: AllocationKey): Promise<Allocation | undefined> {
    return this.#opened().rows.find((row) => {
      if ('orderId' in key) return covers(row.orderId, row.count, key.orderId);
      if (row.storeId !== key.storeId) return false;
      return 'requestId' in key ? row.requestId === key.requestId : covers(row.orderNumber, row.count, key.orderNumber);
    });
  }

  async listAllocations(range: AllocationRange): Promise<readonly Allocation[]> {
    const { afterOrderId, upToOrderId, newestFirst, storeId, limit } = range;
    const found = this.#opened()
      .rows.filter((row) => row.orderId + BigInt(row.count) - 1n > afterOrderId && row.orderId <= upToOrderId)
      .filter((row) => storeId === undefined || row.storeId === storeId);
    return (newestFirst ? found.toReversed() : found).slice(0, limit);
  }

  async end(): Promise<LedgerEnd> {
    const { lastOrderId, stores } = this.#opened();
    const lastStoreId = [...stores.keys()].reduce((a, b) => (a > b ? a : b), 0n);
    return { ledgerId: 'memory', lastOrderId, lastStoreId };
  }

  async *verify(storeId: bigint | undefined): AsyncGenerator<VerifyEvent> {
    const { rows, stores, lastOrderId } = this.#opened();
    const sequences: (NumberRange & { runs: [number: bigint, count: number][] })[] = [...stores.values()]
      .filter((store) => storeId === undefined || store.storeId === storeId)
      .map((store) => ({
        storeId: store.storeId,
        first: store.firstNumber,
        last: store.lastNumber,
        runs: rows.filter((row) => row.storeId === store.storeId).map((row) => [row.orderNumber, row.count]),
      }));
    if (storeId === undefined) {
      sequences.unshift({
        storeId: undefined,
        first: 1n,
        last: lastOrderId,
        runs: rows.map((row) => [row.orderId, row.count]),
      });
    }
    let findings = 0n;
    for (const { runs, ...range } of sequences) {
      let next = range.first;
      for (const [number, count] of [...runs, [range.last + 1n, 0] as const]) {
        if (number !== next) {
          findings++;
          yield { ...range, kind: 'finding', findingKind: 'hole', first: next, last: number - 1n, message: 'no row' };
        }
        next = number + BigInt(count);
      }
      yield { kind: 'sequence', ...range, count: runs.reduce((sum, [, count]) => sum + BigInt(count), 0n) };
    }
    const read = BigInt(rows.filter((row) => storeId === undefined || row.storeId === storeId).length);
    yield { kind: 'progress', rowsRead: read, orderId: lastOrderId, endOrderId: lastOrderId };
    const counts = { rows: read, sequences: BigInt(sequences.length), findings };
    yield { kind: 'verdict', asOfOrderId: lastOrderId, ...counts, ok: findings === 0n };
  }

  #opened(): MemoryDisk {
    if (!this.#isOpen()) throw new OrderError('LEDGER_REOPENING', 'the ledger is being opened; retry');
    return this.#disk;
  }
}

/** Up to `limit` allocations above an order_id, of all stores. */
export function listAfter({ reads }: Ledger, afterOrderId: bigint, limit: number): Promise<readonly Allocation[]> {
  return reads.listAllocations({ afterOrderId, upToOrderId: INT64_MAX, storeId: undefined, limit });
}

function covers(first: bigint, count: number, number: bigint): boolean {
  return number >= first && number < first + BigInt(count);
}
