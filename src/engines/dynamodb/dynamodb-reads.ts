import type { Allocation } from '../../core/allocation.ts';
import { lastOrderIdOf } from '../../core/allocation.ts';
import { OrderError } from '../../core/errors.ts';
import type { AllocationKey, AllocationRange, LedgerEnd, LedgerReads, StoreRange } from '../../core/ledger.ts';
import { ledgerReopening } from '../../core/refusals.ts';
import type { Store } from '../../core/store.ts';
import type { VerifyEvent } from '../../core/verify/events.ts';
import { verifyLedger } from '../../core/verify/verify-ledger.ts';
import { findAllocations, findOrderNumber, findStore, STORES_AT_ONCE } from './index/lookups.ts';
import { positionOf, positionsOfStore } from './index/positions.ts';
import { lastListedStore, listedStores } from './index/store-list.ts';
import type { LedgerView, Pin } from './log/ledger-view.ts';
import type { Log } from './log/log.ts';
import { EntryCache } from './log/entry-cache.ts';
import { inParallel } from './table/in-parallel.ts';
import type { Table } from './table/table.ts';
import { DynamodbVerifySource } from './verify/verify-source.ts';

/** Log entries that a list reads at once: at first, and at most. */
const FIRST_ENTRIES = 2;
const MAX_ENTRIES = 50;

/**
 * Reads the ledger in a table. What is in the log is durable, so what is found may be shown at once; that something is
 * absent, or is the last, is only said after the log was read to its end.
 */
export class DynamodbReads implements LedgerReads {
  readonly #table: Table;
  readonly #log: Log;
  readonly #entries: EntryCache;
  /** The greatest id of a store, as the list of stores had it when a view began. */
  readonly #lastStoreIds = new WeakMap<LedgerView, bigint>();

  constructor(table: Table, log: Log) {
    this.#table = table;
    this.#log = log;
    this.#entries = new EntryCache(table);
  }

  getStore(storeId: bigint): Promise<Store | undefined> {
    return this.#read(async () => {
      const view = await this.#log.current();
      return pinned(view, (pin) => this.#store(view, pin, storeId));
    });
  }

  listStores({ afterStoreId, upToStoreId, limit }: StoreRange): Promise<readonly Store[]> {
    return this.#read(async () => {
      const view = await this.#log.current();
      return pinned(view, async (pin) => {
        const created = view.tail.flatMap((entry) => [...entry.created]);
        const listed = await listedStores(this.#table, afterStoreId, limit);
        const ids = [...new Set([...listed, ...created])].filter((id) => id > afterStoreId && id <= upToStoreId);
        const first = ids.toSorted((a, b) => (a < b ? -1 : 1)).slice(0, limit);
        const stores = new Map<bigint, Store | undefined>();
        await inParallel(STORES_AT_ONCE, first, async (storeId) => {
          stores.set(storeId, await this.#store(view, pin, storeId));
        });
        return first.map((storeId) => stores.get(storeId)).filter((store) => store !== undefined);
      });
    });
  }

  getAllocation(key: AllocationKey): Promise<Allocation | undefined> {
    return this.#read(async () => {
      const found = await this.#find(await this.#log.proven(), key);
      return found ?? this.#find(await this.#log.current(), key);
    });
  }

  listAllocations(range: AllocationRange): Promise<readonly Allocation[]> {
    return this.#read(async () => {
      const known = await this.#log.proven();
      const view = range.upToOrderId <= known.lastOrderId ? known : await this.#log.current();
      return pinned(view, () => this.#list(view, range));
    });
  }

  end(): Promise<LedgerEnd> {
    return this.#read(async () => {
      const view = await this.#log.current();
      const { genesis, lastOrderId } = view;
      const listed = this.#lastStoreIds.get(view) ?? (await pinned(view, () => lastListedStore(this.#table)));
      this.#lastStoreIds.set(view, listed);
      const lastStoreId = listed > view.lastCreatedStoreId ? listed : view.lastCreatedStoreId;
      return { ledgerId: genesis.ledgerId, lastOrderId, lastStoreId };
    });
  }

  async *verify(storeId: bigint | undefined): AsyncGenerator<VerifyEvent> {
    try {
      yield* verifyLedger(new DynamodbVerifySource(this.#table, await this.#log.current()), storeId);
    } catch (error) {
      throw toReadError(error);
    }
  }

  async #find(view: LedgerView, key: AllocationKey): Promise<Allocation | undefined> {
    return pinned(view, async () => {
      if ('requestId' in key) {
        const found = view.allocation(key) ?? (await findAllocations(this.#table, [key])).get(0);
        if (found instanceof OrderError) throw found;
        return found;
      }
      const covers = (allocation: Allocation) => isOf(allocation, key);
      for (const { allocations } of view.tail) {
        const found = allocations.find(covers);
        if (found) return found;
      }
      const position = await ('orderId' in key
        ? this.#positionOf(view, key.orderId)
        : findOrderNumber(this.#table, key.storeId, key.orderNumber));
      if (position === undefined || position > view.head.position) return undefined;
      const [entry] = await this.#entries.read(view, [position]);
      return entry?.allocations.find(covers);
    });
  }

  /** The position of the first entry that ends at an order_id or above it. */
  async #positionOf(view: LedgerView, orderId: bigint): Promise<number> {
    return this.#entries.positionOf(view, orderId) ?? positionOf(this.#table, view, orderId);
  }

  async #store(view: LedgerView, pin: Pin, storeId: bigint): Promise<Store | undefined> {
    const known = view.store(storeId);
    if (known) return known;
    const found = await findStore(this.#table, storeId);
    return found ? pin.learn(found.store) : view.store(storeId);
  }

  async #list(view: LedgerView, range: AllocationRange): Promise<readonly Allocation[]> {
    const { afterOrderId, upToOrderId, newestFirst = false, storeId, limit } = range;
    const found: Allocation[] = [];
    const take = async (positions: readonly number[]) => {
      const entries = await this.#entries.read(view, positions);
      for (const { allocations } of newestFirst ? entries.toReversed() : entries) {
        for (const allocation of newestFirst ? allocations.toReversed() : allocations) {
          const isInRange = lastOrderIdOf(allocation) > afterOrderId && allocation.orderId <= upToOrderId;
          if (isInRange && (storeId === undefined || allocation.storeId === storeId)) found.push(allocation);
        }
      }
    };
    let waiting: number[] = [];
    let size = FIRST_ENTRIES;
    for await (const position of this.#positions(view, range)) {
      waiting.push(position);
      if (waiting.length < size) continue;
      await take(newestFirst ? waiting.toReversed() : waiting);
      waiting = [];
      size = Math.min(2 * size, MAX_ENTRIES);
      if (found.length >= limit) break;
    }
    if (found.length < limit) await take(newestFirst ? waiting.toReversed() : waiting);
    return found.slice(0, limit);
  }

  /** The positions of the entries that a list needs, in its order. */
  async *#positions(view: LedgerView, range: AllocationRange): AsyncGenerator<number> {
    const { afterOrderId, upToOrderId, newestFirst = false, storeId } = range;
    const end = view.head.position;
    const least = await this.#positionOf(view, afterOrderId + 1n);
    const most = upToOrderId >= view.lastOrderId ? end : await this.#positionOf(view, upToOrderId);
    if (least > most) return;
    const from = newestFirst ? most : least;
    if (storeId !== undefined) {
      for await (const position of positionsOfStore(this.#table, view, storeId, from, newestFirst)) {
        if (position < least || position > most) return;
        yield position;
      }
    } else if (newestFirst) for (let position = most; position >= least; position--) yield position;
    else for (let position = least; position <= most; position++) yield position;
  }

  async #read<Result>(read: () => Promise<Result>): Promise<Result> {
    try {
      return await read();
    } catch (error) {
      throw toReadError(error);
    }
  }
}

function toReadError(error: unknown): OrderError {
  return error instanceof OrderError ? error : ledgerReopening(error);
}

function isOf(allocation: Allocation, key: Exclude<AllocationKey, { requestId: string }>): boolean {
  const { orderId, orderNumber, count, storeId } = allocation;
  const [first, wanted] = 'orderId' in key ? [orderId, key.orderId] : [orderNumber, key.orderNumber];
  if ('storeId' in key && key.storeId !== storeId) return false;
  return wanted >= first && wanted < first + BigInt(count);
}

async function pinned<Result>(view: LedgerView, work: (pin: Pin) => Promise<Result>): Promise<Result> {
  const pin = view.pin();
  try {
    return await work(pin);
  } finally {
    pin.release();
  }
}
