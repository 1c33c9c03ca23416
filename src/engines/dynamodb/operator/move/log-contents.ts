import type { Allocation } from '../../../../core/allocation.ts';
import type { DeclaredLoss, LedgerContents, LedgerCounters } from '../../../../core/move/contents.ts';
import { compareLosses } from '../../../../core/move/contents.ts';
import type { Store } from '../../../../core/store.ts';
import { toLoss } from '../../index/derived-items.ts';
import { findStore, STORES_AT_ONCE } from '../../index/lookups.ts';
import { positionOf } from '../../index/positions.ts';
import { listedStores } from '../../index/store-list.ts';
import { EntryCache } from '../../log/entry-cache.ts';
import type { LedgerView } from '../../log/ledger-view.ts';
import { LOSSES } from '../../table/keys.ts';
import { inParallel } from '../../table/in-parallel.ts';
import type { Table } from '../../table/table.ts';

/** Log entries that are read at once: at first, and at most. */
const FIRST_ENTRIES = 4;
const MAX_ENTRIES = 64;
const LOSSES_PER_READ = 1000;

/** A whole ledger in a table whose derived items are complete, while nobody numbers in it. Its allocations are the log's. */
export class LogContents implements LedgerContents {
  readonly name: string;
  readonly #table: Table;
  readonly #view: LedgerView;
  readonly #entries: EntryCache;

  /** `view` is kept at the head of the log. */
  constructor(name: string, table: Table, view: LedgerView) {
    this.name = name;
    this.#table = table;
    this.#view = view;
    this.#entries = new EntryCache(table);
  }

  async counters(): Promise<LedgerCounters> {
    const { genesis, lastOrderId, lastCreateTimeMs } = this.#view;
    const { ledgerId, firstOrderId } = genesis;
    return { ledgerId, firstOrderId, lastOrderId, lastCreateTimeMs: BigInt(lastCreateTimeMs) };
  }

  async allocationsAfter(orderId: bigint, limit: number): Promise<readonly Allocation[]> {
    const end = this.#view.head.position;
    const found: Allocation[] = [];
    let position = await positionOf(this.#table, this.#view, orderId + 1n);
    for (let size = FIRST_ENTRIES; position <= end && found.length < limit; size = Math.min(2 * size, MAX_ENTRIES)) {
      const length = Math.min(size, end - position + 1);
      const from = position;
      const positions = Array.from({ length }, (_, i) => from + i);
      for (const { allocations } of await this.#entries.read(this.#view, positions)) {
        for (const allocation of allocations) if (allocation.orderId > orderId) found.push(allocation);
      }
      position += length;
    }
    return found.slice(0, limit);
  }

  async storesAfter(storeId: bigint, limit: number): Promise<readonly Store[]> {
    return this.stores(await listedStores(this.#table, storeId, limit));
  }

  /** Those of these stores that exist. */
  async stores(storeIds: readonly bigint[]): Promise<readonly Store[]> {
    const found = new Map<bigint, Store>();
    await inParallel(STORES_AT_ONCE, storeIds, async (storeId) => {
      const at = await findStore(this.#table, storeId);
      if (at) found.set(storeId, at.store);
    });
    return storeIds.flatMap((storeId) => found.get(storeId) ?? []);
  }

  async declaredLosses(): Promise<readonly DeclaredLoss[]> {
    const losses: DeclaredLoss[] = [];
    for await (const items of this.#table.pages({ partition: LOSSES }, LOSSES_PER_READ)) {
      losses.push(...items.map(toLoss));
    }
    return losses.toSorted(compareLosses);
  }
}
