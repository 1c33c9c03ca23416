import type { Allocation } from '../../../core/allocation.ts';
import { OrderError } from '../../../core/errors.ts';
import type { Store } from '../../../core/store.ts';
import type { LedgerToVerify, PassRow } from '../../../core/verify/all-rows-check.ts';
import type { StoreCounter } from '../../../core/verify/counters-check.ts';
import type { DeclaredLoss } from '../../../core/verify/declared-losses.ts';
import type { IndexFault } from '../../../core/verify/index-check.ts';
import type { Indexes, OneStore, VerifySource } from '../../../core/verify/verify-source.ts';
import { pagesOf } from '../../../core/verify/verify-source.ts';
import { toLoss, toStoreAt } from '../index/derived-items.ts';
import { findStore } from '../index/lookups.ts';
import { positionsOfStore } from '../index/positions.ts';
import { listedStores } from '../index/store-list.ts';
import type { LedgerView } from '../log/ledger-view.ts';
import type { LogEntry } from '../log/log-entry.ts';
import { readEntries } from '../log/log-reader.ts';
import { numberOf } from '../table/item.ts';
import { LOSSES, storePartition } from '../table/keys.ts';
import type { Table } from '../table/table.ts';
import type { StrayItems } from './index-comparison.ts';
import { IndexComparison } from './index-comparison.ts';

/** Log entries of one read: with their derived items, a few thousand items. */
const ENTRIES_PER_READ = 20;
const STORES_PER_READ = 100;
const LOSSES_PER_READ = 1000;

const NO_STRAY: StrayItems = { stray: 0, strayKeys: [] };

/** Searches the whole table, given how many items were found of each entry, by its position; counts them down. */
export type StraySearch = (itemsOf: number[]) => Promise<StrayItems>;

/** The reads of a verification of a log, up to the head that it had when the verification began. */
export class DynamodbVerifySource implements VerifySource {
  readonly ledger: LedgerToVerify;
  readonly #table: Table;
  readonly #view: LedgerView;
  readonly #position: number;
  readonly #ledgerId: string;
  readonly #tail: readonly LogEntry[];
  readonly #comparison: IndexComparison;
  readonly #findStray: StraySearch | undefined;
  #found: StrayItems | undefined;

  /** Up to the head of a view that has caught up with the log. Without a search, stray items are not looked for. */
  constructor(table: Table, view: LedgerView, findStray?: StraySearch) {
    const { genesis, lastOrderId, head, indexedTo, tail } = view;
    const above = { rowsAbove: 0n, hasMoreAbove: false };
    this.ledger = { firstOrderId: genesis.firstOrderId, lastOrderId, ...above, end: lastOrderId };
    this.#table = table;
    this.#view = view;
    this.#position = head.position;
    this.#ledgerId = genesis.ledgerId;
    this.#tail = [...tail];
    this.#comparison = new IndexComparison(table, indexedTo, findStray !== undefined);
    this.#findStray = findStray;
  }

  async declaredLosses(): Promise<readonly DeclaredLoss[]> {
    const losses: DeclaredLoss[] = [];
    const add = ({ storeId, first, last }: ReturnType<typeof toLoss>) => {
      losses.push({ storeId: storeId ?? null, first, last });
    };
    const indexed = new Set<number>();
    for await (const items of this.#table.pages({ partition: LOSSES }, LOSSES_PER_READ)) {
      for (const item of items) indexed.add(numberOf(item, 'log'));
      items.map(toLoss).forEach(add);
    }
    for (const { position, losses: declared } of this.#tail) if (!indexed.has(position)) declared.forEach(add);
    return losses.toSorted((a, b) => compare(a.storeId ?? 0n, b.storeId ?? 0n) || compare(a.first, b.first));
  }

  /** Both are compared with the log, entry by entry. */
  async indexes(): Promise<Indexes> {
    return { faults: [], byOrderNumber: false, byRequestId: false };
  }

  /** Reads the log from end to end, follows its chain, and compares everything that it leads to. */
  async *allocations(): AsyncGenerator<readonly PassRow[]> {
    let previous = this.#ledgerId;
    for (let first = 1; first <= this.#position; first += ENTRIES_PER_READ) {
      const size = Math.min(ENTRIES_PER_READ, this.#position - first + 1);
      const positions = Array.from({ length: size }, (_, i) => first + i);
      const entries = await readEntries(this.#table, positions);
      for (const [i, position] of positions.entries()) {
        const entry = entries[i];
        if (entry?.position !== position) throw damaged(`its log lacks entry ${position}`);
        if (entry.previous !== previous)
          throw damaged(`entry ${position} of its log does not follow the one before it`);
        previous = entry.batchId;
      }
      await this.#comparison.compare(entries);
      const rows = entries.flatMap(({ allocations }) => allocations.map(toRow));
      if (rows.length > 0) yield rows;
    }
    this.#found = await this.#findStray?.(this.#comparison.itemsOf);
  }

  indexFaults(): readonly IndexFault[] {
    const { stray, strayKeys } = this.#found ?? NO_STRAY;
    const fault = `has ${stray} items that no log entry leads to, such as ${strayKeys.join(', ')} (partition and sort key)`;
    return [...this.#comparison.faults(), ...(stray > 0 ? [{ name: 'of the table', fault }] : [])];
  }

  /** A listed store without an item of its own is left out, and has no counter then. */
  async *stores(): AsyncGenerator<readonly StoreCounter[]> {
    for await (const ids of this.#storeIds()) {
      const counters = await Promise.all(ids.map((storeId) => this.#counter(storeId)));
      yield counters.filter((counter) => counter !== undefined);
    }
  }

  async store(storeId: bigint): Promise<OneStore> {
    const counter = await this.#counter(storeId);
    return { lastNumber: counter?.rowsEnd ?? undefined, counter };
  }

  async *storeRows(storeId: bigint): AsyncGenerator<readonly PassRow[]> {
    const pin = this.#view.pin();
    try {
      for await (const position of positionsOfStore(this.#table, this.#view, storeId, 1, false)) {
        if (position > this.#position) return;
        const entries = await readEntries(this.#table, [position]);
        yield entries.flatMap(({ allocations }) => allocations.filter((each) => each.storeId === storeId).map(toRow));
      }
    } finally {
      pin.release();
    }
  }

  async *orderNumberEntries(): AsyncGenerator<never> {}

  async *requestIds(): AsyncGenerator<never> {}

  /** Those that are listed, and those that the tail has created since. */
  #storeIds(): AsyncIterable<readonly bigint[]> {
    const read = async (after: bigint) => {
      const listed = await listedStores(this.#table, after, STORES_PER_READ);
      const created = this.#tail.flatMap((entry) => [...entry.created]).filter((storeId) => storeId > after);
      return [...new Set([...listed, ...created])].toSorted(compare).slice(0, STORES_PER_READ);
    };
    return pagesOf(STORES_PER_READ, 0n, (storeId) => storeId, read);
  }

  /** What the newest item of a store says, or the tail where that is newer. */
  async #counter(storeId: bigint): Promise<StoreCounter | undefined> {
    const inTail = this.#tail.flatMap(({ stores, allocations, position }) => {
      const store = stores.find((each) => each.storeId === storeId);
      return store ? [{ store, position, isRun: allocations.some((each) => each.storeId === storeId) }] : [];
    });
    const found = await findStore(this.#table, storeId);
    const newest = inTail.at(-1);
    const isNewer = newest !== undefined && newest.position > (found?.position ?? 0);
    const store = isNewer ? newest.store : found?.store;
    if (!store) return undefined;
    const counter = { storeId, firstNumber: store.firstNumber, lastNumber: store.lastNumber };
    // Servers go on meanwhile, and write the items of their entries in any order: the runs before it may not be there yet.
    if (!isNewer && found && found.position > this.#position) return { ...counter, rowsEnd: undefined };
    const lastRun = inTail.findLast(({ isRun }) => isRun)?.store.lastNumber;
    return { ...counter, rowsEnd: lastRun ?? found?.run?.last ?? (await this.#rowsEnd(store)) };
  }

  /** The end of the last run of a store that was changed since; null if it never had one. */
  async #rowsEnd({ storeId, lastNumber }: Store): Promise<bigint | null> {
    const range = { partition: storePartition(storeId), to: String(lastNumber), newestFirst: true };
    const [item] = await this.#table.list(range, 1);
    return (item && toStoreAt(item, storeId).run?.last) ?? null;
  }
}

function toRow({ orderId, orderNumber, storeId, count, createTimeMs }: Allocation): PassRow {
  return { orderId, orderNumber, storeId, count: BigInt(count), createTimeMs: BigInt(createTimeMs) };
}

function damaged(what: string): OrderError {
  return new OrderError('LEDGER_DAMAGED', `the ledger is damaged: ${what}`);
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
