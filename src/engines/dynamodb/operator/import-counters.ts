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
import { genesisItem, toGenesis } from '../log/entry-item.ts';
import { LedgerView } from '../log/ledger-view.ts';
import type { Genesis, LogChange, LogEntry } from '../log/log-entry.ts';
import { entriesAfter, readMark } from '../log/log-reader.ts';
import { failureOf, reasonOf, remedyFor } from '../table/failures.ts';
import { logKey } from '../table/keys.ts';
import { MovingLog } from './move/moving-log.ts';
import type { OperatorTable } from './move/operator-table.ts';
import { openTable } from './move/operator-table.ts';

/** Stores of one entry, which takes some 40 KB. */
const STORES_PER_ENTRY = 250;
/** Between two looks at a table that is being created, until that is reported, and until it is given up. */
const PAUSE_MS = 200;
const SILENT_MS = 1000;
const MAX_WAIT_MS = 60_000;

/** The ledger in the table: of this import, and not finished or as it will be. */
interface Begun {
  readonly view: LedgerView;
  /** How many of the stores it has. */
  readonly stores: number;
}

/**
 * Sets the counters of a ledger in a table that has none yet: a genesis that begins at the next order_id, and entries that
 * create the stores. Until the last one is written, no server numbers there, and the same import can be continued.
 */
export class CountersImport {
  readonly #place: OperatorTable;

  /** Throws an Error for a URL that cannot be used. */
  constructor(location: string) {
    this.#place = openTable(location);
  }

  /** What {@link write} would do, store by store. Throws LedgerRefused if it would be refused. */
  plan(counters: ImportedCounters, onChange: ChangeListener): Promise<ImportSummary> {
    return this.#explained(async () => {
      const begun = await this.#read(counters);
      let stores = 0;
      for (const store of counters.stores) {
        onChange({ ...store, change: stores++ < (begun?.stores ?? 0) ? 'keep' : 'make' });
      }
      return summaryOf(begun, counters, stores);
    });
  }

  /** Creates the table, if there is none, and waits until it is ready. `onWaiting` is told for what, if that takes long. */
  createTable(onWaiting: (why: string) => void): Promise<void> {
    return this.#explained(async () => {
      const { admin, name } = this.#place;
      const began = performance.now();
      let toldStatus: string | undefined;
      for (let status = await admin.status(); status !== 'ACTIVE'; status = await admin.status()) {
        if (status === undefined) await admin.create();
        const waitedMs = performance.now() - began;
        if (waitedMs > MAX_WAIT_MS) {
          throw new LedgerRefused(`the table of ${name} is not ready (${status ?? 'just created'}); retry later`);
        }
        if (waitedMs > SILENT_MS && status !== undefined && status !== toldStatus) {
          onWaiting(`the table of ${name} is ${status}; waiting until it is ready`);
          toldStatus = status;
        }
        await delay(PAUSE_MS);
      }
    });
  }

  /** The table has to be there. */
  write(counters: ImportedCounters, onProgress: ProgressListener): Promise<ImportSummary> {
    return this.#explained(async () => {
      const all = counters.stores.size;
      const begun = (await this.#read(counters)) ?? (await this.#begin(counters.nextOrderId));
      const summary = summaryOf(begun, counters, all);
      if (summary.isNeeded) await this.#writeRest(begun, counters, (done) => onProgress(done, all));
      return summary;
    });
  }

  close(): void {
    this.#place.close();
  }

  /** Undefined if no ledger is there. Throws LedgerRefused if another one is than this import leads to. */
  async #read({ nextOrderId, stores }: ImportedCounters): Promise<Begun | undefined> {
    const { table } = this.#place;
    const genesis = await this.#genesis();
    if (!genesis) return undefined;
    if (genesis.firstOrderId !== nextOrderId) throw this.#isAnother(`begins at order_id ${genesis.firstOrderId}`);
    const indexedTo = Number((await readMark(table)) ?? 0n);
    const view = new LedgerView(genesis, undefined);
    // Asked for first: a list that is being read may not answer anything else.
    const { size } = stores;
    const expected = stores[Symbol.iterator]();
    let written = 0;
    try {
      for await (const entries of entriesAfter(table, 0)) {
        for (const entry of entries) {
          this.#requireUnused(genesis, entry);
          for (const store of entry.stores) this.#requireSame(store, expected.next());
          written += entry.stores.length;
          view.apply(entry);
          view.indexed(Math.min(entry.position, indexedTo));
        }
      }
    } finally {
      expected.return?.();
    }
    if (!view.isMoving && written < size) throw this.#isAnother(`has ${written} stores`);
    return { view, stores: written };
  }

  async #genesis(): Promise<Genesis | undefined> {
    try {
      const first = await this.#place.table.get(logKey(0));
      return first && toGenesis(first, this.#place.name);
    } catch (error) {
      if (failureOf(error) === 'no table') return undefined;
      throw error;
    }
  }

  async #begin(firstOrderId: bigint): Promise<Begun> {
    const genesis: Genesis = { ledgerId: crypto.randomUUID(), firstOrderId, isMoving: true };
    const view = new LedgerView(genesis, undefined);
    const other = await this.#log(view).put(genesisItem(genesis), genesis.ledgerId);
    if (other) throw this.#isAnother('was created at the same time');
    return { view, stores: 0 };
  }

  async #writeRest(begun: Begun, { stores }: ImportedCounters, onProgress: (done: number) => void): Promise<void> {
    const log = this.#log(begun.view);
    // An import that was interrupted may have left an entry without its items.
    await log.index();
    const { size } = stores;
    const createTimeMs = Date.now();
    let [done, seen] = [begun.stores, 0];
    let some: Store[] = [];
    const append = async (isMoving: boolean) => {
      await log.append(creation(some, begun.view.lastOrderId, isMoving));
      await log.index();
      onProgress((done += some.length));
      some = [];
    };
    for (const { storeId, nextNumber } of stores) {
      if (++seen <= begun.stores) continue;
      some.push({ ...DEFAULT_STORE, storeId, firstNumber: nextNumber, lastNumber: nextNumber - 1n, createTimeMs });
      if (some.length === STORES_PER_ENTRY && seen < size) await append(true);
    }
    await append(false);
  }

  /** Nothing stops it: what is begun is finished, as far as DynamoDB answers. */
  #log(view: LedgerView): MovingLog {
    return new MovingLog(this.#place.table, view, this.#place.name, new AbortController().signal);
  }

  #requireUnused({ firstOrderId }: Genesis, { lastOrderId, allocations, losses }: LogEntry): void {
    if (allocations.length === 0 && losses.length === 0 && lastOrderId < firstOrderId) return;
    throw new LedgerRefused(
      `${this.#place.name} has already given numbers, from order_id ${firstOrderId} on; only a table without a ledger ` +
        'accepts an import, so name a new one with --ledger',
    );
  }

  #requireSame({ storeId, firstNumber }: Store, { value, done }: IteratorResult<ImportedStore>): void {
    if (!done && value.storeId === storeId && value.nextNumber === firstNumber) return;
    throw this.#isAnother(`has a store ${storeId} that begins at ${firstNumber}`);
  }

  #isAnother(what: string): LedgerRefused {
    return new LedgerRefused(
      `${this.#place.name} has a ledger of its own, which ${what}; only a table without a ledger accepts an import, so name a ` +
        'new one with --ledger, or delete that one if nothing was numbered there',
    );
  }

  async #explained<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof LedgerRefused) throw error;
      const why = `${reasonOf(error)}; ${remedyFor(error)}`;
      throw new LedgerRefused(`cannot import into ${this.#place.name}: ${why}`, { cause: error });
    }
  }
}

/** The entry that creates stores. It gives no number, so it does not move create_time forward. */
function creation(stores: readonly Store[], lastOrderId: bigint, isMoving: boolean): LogChange {
  return {
    lastOrderId,
    createTimeMs: 0,
    stores,
    created: new Set(stores.map(({ storeId }) => storeId)),
    allocations: [],
    losses: [],
    isMoving,
    movedTo: undefined,
  };
}

function summaryOf(begun: Begun | undefined, { nextOrderId }: ImportedCounters, stores: number): ImportSummary {
  const genesis = begun?.view.genesis;
  return {
    ledgerId: genesis?.ledgerId,
    currentFirstOrderId: genesis?.firstOrderId,
    nextOrderId,
    stores,
    storesMade: stores - (begun?.stores ?? 0),
    storesSet: 0,
    isNeeded: begun?.view.isMoving ?? true,
  };
}
