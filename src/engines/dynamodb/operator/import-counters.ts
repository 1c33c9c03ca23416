import { setTimeout as delay } from 'node:timers/promises';
import { LedgerRefused } from '../../../core/errors.ts';
import type {
  ChangeListener,
  ImportedCounters,
  ImportSummary,
  ProgressListener,
} from '../../../core/move/imported-counters.ts';
import type { ImportedStore } from '../../../core/move/imported-store.ts';
import type { Store } from '../../../core/store.ts';
import { DEFAULT_STORE } from '../../../core/store.ts';
import { newClient } from '../connection/client.ts';
import { parseDynamodbUrl } from '../connection/dynamodb-url.ts';
import { derivedItems } from '../index/derived-items.ts';
import { INDEXED_TO } from '../index/indexer.ts';
import { entryItem, genesisItem, toGenesis } from '../log/entry-item.ts';
import type { Genesis, LogEntry } from '../log/log-entry.ts';
import { entriesAfter } from '../log/log-reader.ts';
import { failureOf, mayPass, reasonOf } from '../table/failures.ts';
import type { Item } from '../table/item.ts';
import { integerOf, textOf } from '../table/item.ts';
import { logKey, META } from '../table/keys.ts';
import { TableAdmin } from '../table/table-admin.ts';
import { Table } from '../table/table.ts';

/** Stores of one entry, as many as a batch creates at most by default. */
const STORES_PER_ENTRY = 1000;
/** What the entries say who wrote them. */
const WRITER = { server: 'import', indexedTo: 0, putMs: 0, lostRaces: 0 };
/** Between two attempts, or two looks at a table that is being created, and how long that goes on. */
const PAUSE_MS = 200;
const MAX_WAIT_MS = 60_000;

/** What an import has to go on from: the ledger in the table, which is its own and not finished, or is as it will be. */
interface Begun {
  readonly genesis: Genesis;
  readonly position: number;
  readonly batchId: string;
  /** How many of the stores it has. */
  readonly stores: number;
  readonly isDone: boolean;
}

/**
 * Sets the counters of a ledger in a table that has none yet: a genesis that begins at the next order_id, and entries that
 * create the stores. Until the last one is written, no server numbers there, and the same import can be continued.
 */
export class CountersImport {
  readonly #table: Table;
  readonly #admin: TableAdmin;
  readonly #name: string;
  readonly #close: () => void;

  constructor(location: string) {
    const url = parseDynamodbUrl(location);
    const client = newClient(url);
    this.#table = new Table(client, url.table);
    this.#admin = new TableAdmin(client, url.table);
    this.#name = url.name;
    this.#close = () => client.destroy();
  }

  /** What {@link write} would do, store by store. Throws LedgerRefused if it would be refused. */
  async plan(counters: ImportedCounters, onChange: ChangeListener): Promise<ImportSummary> {
    return this.#explained(async () => {
      const begun = await this.#begun(counters);
      let stores = 0;
      for (const store of counters.stores)
        onChange({ ...store, change: stores++ < (begun?.stores ?? 0) ? 'keep' : 'make' });
      return summaryOf(begun, counters, stores);
    });
  }

  async write(counters: ImportedCounters, onProgress: ProgressListener): Promise<ImportSummary> {
    return this.#explained(async () => {
      const begun = (await this.#begun(counters)) ?? (await this.#begin(counters.nextOrderId));
      const all = counters.stores.size;
      if (!begun.isDone) await this.#writeRest(begun, counters, (done) => onProgress(done, all));
      return summaryOf(begun, counters, all);
    });
  }

  close(): void {
    this.#close();
  }

  /** Undefined if no ledger is there. Throws LedgerRefused if another one is than this import leads to. */
  async #begun({ nextOrderId, stores }: ImportedCounters): Promise<Begun | undefined> {
    const first = await this.#table.get(logKey(0)).catch((error: unknown) => {
      if (failureOf(error) === 'no table') return undefined;
      throw error;
    });
    if (!first) return undefined;
    const genesis = toGenesis(first);
    if (genesis.firstOrderId !== nextOrderId) throw this.#isAnother(`begins at order_id ${genesis.firstOrderId}`);
    // Asked for first: a list that is being read may not answer anything else.
    const { size } = stores;
    const expected = stores[Symbol.iterator]();
    let last: LogEntry | undefined;
    let written = 0;
    try {
      for await (const entries of entriesAfter(this.#table, 0)) {
        for (const entry of entries) {
          last = entry;
          this.#requireUnused(genesis, entry);
          for (const store of entry.stores) this.#requireSame(store, expected.next());
          written += entry.stores.length;
        }
      }
    } finally {
      expected.return?.();
    }
    const isDone = !(last?.isMoving ?? genesis.isMoving);
    if (isDone && written < size) throw this.#isAnother(`has ${written} stores`);
    const { position, batchId } = last ?? { position: 0, batchId: genesis.ledgerId };
    return { genesis, position, batchId, stores: written, isDone };
  }

  async #begin(firstOrderId: bigint): Promise<Begun> {
    await this.#createTable();
    const genesis: Genesis = { ledgerId: crypto.randomUUID(), firstOrderId, isMoving: true };
    await this.#put(genesisItem(genesis));
    return { genesis, position: 0, batchId: genesis.ledgerId, stores: 0, isDone: false };
  }

  async #writeRest(begun: Begun, { nextOrderId, stores }: ImportedCounters, onProgress: (done: number) => void) {
    const createTimeMs = Date.now();
    const { size } = stores;
    await this.#completeItems();
    let { position, batchId } = begun;
    let [done, seen] = [begun.stores, 0];
    let some: ImportedStore[] = [];
    const append = async (isMoving: boolean) => {
      const created = some.map(({ storeId, nextNumber }) => {
        return { ...DEFAULT_STORE, storeId, firstNumber: nextNumber, lastNumber: nextNumber - 1n, createTimeMs };
      });
      const entry: LogEntry = {
        ...WRITER,
        position: position + 1,
        previous: batchId,
        batchId: crypto.randomUUID(),
        lastOrderId: nextOrderId - 1n,
        createTimeMs: 0,
        stores: created,
        created: new Set(created.map(({ storeId }) => storeId)),
        allocations: [],
        losses: [],
        isMoving,
        movedTo: undefined,
      };
      await this.#put(entryItem(entry));
      await this.#table.putAll(derivedItems(entry));
      await this.#raise(position, entry.position);
      ({ position, batchId } = entry);
      onProgress((done += some.length));
      some = [];
    };
    for (const store of stores) {
      if (++seen <= begun.stores) continue;
      some.push(store);
      if (some.length === STORES_PER_ENTRY && seen < size) await append(true);
    }
    await append(false);
  }

  /** An import that was interrupted may have left an entry without its items. */
  async #completeItems(): Promise<void> {
    const meta = await this.#table.get(META);
    let indexedTo = meta ? Number(integerOf(meta, INDEXED_TO)) : 0;
    for await (const entries of entriesAfter(this.#table, indexedTo)) {
      for (const entry of entries) {
        await this.#table.putAll(derivedItems(entry));
        await this.#raise(indexedTo, entry.position);
        indexedTo = entry.position;
      }
    }
  }

  async #raise(from: number, to: number): Promise<void> {
    await this.#table.raise(META, INDEXED_TO, from === 0 ? undefined : BigInt(from), BigInt(to));
  }

  /** Puts an item of the log until it is known to be there. Throws LedgerRefused if another one has its position. */
  async #put(item: Item): Promise<void> {
    for (const end = performance.now() + MAX_WAIT_MS; ;) {
      try {
        const found = await this.#table.putNew(item);
        if (!found || textOf(found, 'batch') === textOf(item, 'batch')) return;
        throw new LedgerRefused(`somebody else writes to ${this.#name} at the same time; run the same command again`);
      } catch (error) {
        if (error instanceof LedgerRefused || !mayPass(error) || performance.now() > end) throw error;
      }
      await delay(PAUSE_MS);
    }
  }

  async #createTable(): Promise<void> {
    const end = performance.now() + MAX_WAIT_MS;
    for (let status = await this.#admin.status(); status !== 'ACTIVE'; status = await this.#admin.status()) {
      if (status === undefined) await this.#admin.create();
      if (performance.now() > end) throw new LedgerRefused(`${this.#name} is ${status} and not ready; retry later`);
      await delay(PAUSE_MS);
    }
  }

  #requireUnused({ firstOrderId }: Genesis, { lastOrderId, allocations, losses }: LogEntry): void {
    if (allocations.length === 0 && losses.length === 0 && lastOrderId < firstOrderId) return;
    throw new LedgerRefused(
      `${this.#name} has already given numbers, from order_id ${firstOrderId} on; only a table without a ledger accepts an ` +
        'import, so name a new one with --ledger',
    );
  }

  #requireSame({ storeId, firstNumber }: Store, { value, done }: IteratorResult<ImportedStore>): void {
    if (!done && value.storeId === storeId && value.nextNumber === firstNumber) return;
    throw this.#isAnother(`has a store ${storeId} that begins at ${firstNumber}`);
  }

  #isAnother(what: string): LedgerRefused {
    return new LedgerRefused(
      `${this.#name} has a ledger of its own, which ${what}; only a table without a ledger accepts an import, so name a new ` +
        'one with --ledger, or delete that one if nothing was numbered there',
    );
  }

  async #explained<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof LedgerRefused) throw error;
      throw new LedgerRefused(`cannot import into ${this.#name}: ${reasonOf(error)}`, { cause: error });
    }
  }
}

function summaryOf(begun: Begun | undefined, { nextOrderId }: ImportedCounters, stores: number): ImportSummary {
  return {
    ledgerId: begun?.genesis.ledgerId,
    currentFirstOrderId: begun?.genesis.firstOrderId,
    nextOrderId,
    stores,
    storesMade: stores - (begun?.stores ?? 0),
    storesSet: 0,
    isNeeded: !begun?.isDone,
  };
}
