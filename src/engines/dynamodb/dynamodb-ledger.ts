import type { AllocationRequest } from '../../core/allocation.ts';
import { OrderError } from '../../core/errors.ts';
import type { CommitListener, Ledger, Outcome } from '../../core/ledger.ts';
import type { LedgerObserver } from '../../core/observers.ts';
import { SharedFeed } from '../../core/reading/shared-feed.ts';
import { ledgerReopening, storeExists, storeNotFound, storeUnknown } from '../../core/refusals.ts';
import { settledWithin } from '../../core/settled-within.ts';
import type { ChangedStore, Store, StoreChanges, StoreSettings } from '../../core/store.ts';
import { changedStore } from '../../core/changed-store.ts';
import { DynamodbReads } from './dynamodb-reads.ts';
import { damageOf, findAllocations, findStore, STORES_AT_ONCE } from './index/lookups.ts';
import { Log } from './log/log.ts';
import type { LedgerView, Pin } from './log/ledger-view.ts';
import type { LogChange } from './log/log-entry.ts';
import type { NumberedBatch } from './log/numbering.ts';
import { numberBatch } from './log/numbering.ts';
import { NotServed } from './log/served.ts';
import type { Formed, Write } from './log/write.ts';
import type { LedgerPlace } from './log/opening.ts';
import { NoAnswer } from './table/failures.ts';
import { inParallel } from './table/in-parallel.ts';

/** How long a write is tried before its callers are told that its outcome is unknown. */
const WRITE_MS = 30_000;
/** Writes of stores in progress or waiting. */
const MAX_STORE_WRITES = 1000;
/** How often the log is looked at for entries of other servers, while there are listeners. */
const LOOK_MS = 50;

/** A change of a store, or why it is refused. */
type StoreWrite<Written> = (
  store: Store | undefined,
  nowMs: number,
) => { readonly written: Written; readonly after: Store } | OrderError;

/**
 * The ledger in a table of DynamoDB (see {@link Ledger} for what it promises), shared by any number of servers. It is a
 * log: a batch is one item, and the server that writes the next position first has numbered its batch. So there is no
 * item that all servers update, and no transaction is needed.
 */
export class DynamodbLedger implements Ledger {
  readonly #place: LedgerPlace;
  readonly #observer: LedgerObserver;
  readonly #autoCreateStores: boolean;
  readonly #log: Log;
  readonly #feed = new SharedFeed(() => this.reads.end(), LOOK_MS);
  readonly reads: DynamodbReads;
  #lastOrderId = 0n;
  #storeWrites = 0;

  /** Starts to open the ledger. */
  constructor(place: LedgerPlace, autoCreateStores: boolean, observer: LedgerObserver) {
    this.#place = place;
    this.#observer = observer;
    this.#autoCreateStores = autoCreateStores;
    this.#log = new Log(place, observer, (lastOrderId) => {
      this.#lastOrderId = lastOrderId;
    });
    this.reads = new DynamodbReads(place.table, this.#log);
  }

  /** The end of the sequence over all stores, as far as this process has seen it. */
  get lastOrderId(): bigint {
    return this.#lastOrderId;
  }

  ready(): Promise<void> {
    return this.#log.ready();
  }

  async commit(
    batch: readonly AllocationRequest[],
    isWanted: (index: number) => boolean = () => true,
  ): Promise<readonly Outcome[]> {
    const began = performance.now();
    const outcomes: Outcome[] = [];
    // More than one entry if one cannot hold them all.
    while (outcomes.length < batch.length) {
      const from = outcomes.length;
      const answer = await this.#write(began + WRITE_MS, this.#allocation(batch, from, isWanted)).catch(
        // The entries before it are in the log.
        (error: unknown) => refusedBy(error, batch.length - from),
      );
      outcomes.push(...answer.outcomes);
      if (answer.change) this.#feed.committed(answer.change.lastOrderId, answer.outcomes);
    }
    this.#observer.transaction(performance.now() - began);
    return outcomes;
  }

  createStore(settings: StoreSettings): Promise<Store> {
    return this.#writeStore(settings.storeId, (existing, nowMs) => {
      if (existing) return storeExists(settings.storeId);
      const store: Store = { ...settings, lastNumber: settings.firstNumber - 1n, createTimeMs: nowMs };
      return { written: store, after: store };
    });
  }

  updateStore(storeId: bigint, changes: StoreChanges): Promise<ChangedStore> {
    return this.#writeStore(storeId, (before) => {
      if (!before) return storeNotFound(storeId);
      const after = changedStore(before, changes);
      return after instanceof OrderError ? after : { written: { before, after }, after };
    });
  }

  onCommitted(listener: CommitListener): () => void {
    return this.#feed.listen(listener);
  }

  /** Resolves when everything that is derived from the log so far is written. */
  indexed(): Promise<void> {
    return this.#log.indexed();
  }

  async close(): Promise<void> {
    this.#feed.close();
    await this.#log.close();
  }

  /** The write of the requests of a batch from one on. */
  #allocation(
    batch: readonly AllocationRequest[],
    from: number,
    isWanted: (index: number) => boolean,
  ): Omit<Write<NumberedBatch>, 'isAbandoned'> {
    const { table } = this.#place;
    const requests = batch.slice(from);
    const isOwnWanted = (index: number) => isWanted(from + index);
    const autoCreateStores = this.#autoCreateStores;
    const stores = new Map<bigint, Store | OrderError | undefined>();
    let known: Awaited<ReturnType<typeof findAllocations>> = new Map();
    return {
      prepare: async (view, pin) => {
        const storeIds = new Set(requests.map(({ storeId }) => storeId));
        [known] = await Promise.all([
          findAllocations(table, requests),
          inParallel(STORES_AT_ONCE, [...storeIds], async (storeId) => {
            stores.set(storeId, await this.#store(view, pin, storeId));
          }),
        ]);
      },
      form: (view) => {
        const numbered = numberBatch(view, { requests, isWanted: isOwnWanted, known, stores, autoCreateStores });
        const restsOnHead = numbered.outcomes.some((outcome) => 'refused' in outcome);
        return { answer: numbered, change: numbered.change, restsOnHead };
      },
    };
  }

  async #writeStore<Written>(storeId: bigint, write: StoreWrite<Written>): Promise<Written> {
    if (this.#storeWrites >= MAX_STORE_WRITES) {
      throw new OrderError('QUEUE_FULL', 'too many stores are being written; retry later');
    }
    this.#storeWrites++;
    try {
      let looked: Store | OrderError | undefined;
      const written = await this.#write<Written | OrderError>(performance.now() + WRITE_MS, {
        prepare: async (view, pin) => {
          looked = await this.#store(view, pin, storeId);
        },
        form: (view) => formStore(view, view.store(storeId) ?? looked, write),
      });
      if (written instanceof OrderError) throw written;
      return written;
    } catch (error) {
      if (error instanceof NotServed) throw ledgerReopening(error);
      throw error instanceof OrderError ? error : storeUnknown(storeId, error);
    } finally {
      this.#storeWrites--;
    }
  }

  /** As of the head, or newer; called under a pin. */
  async #store(view: LedgerView, pin: Pin, storeId: bigint): Promise<Store | OrderError | undefined> {
    const known = view.store(storeId);
    if (known) return known;
    const found = await findStore(this.#place.table, storeId).catch(damageOf);
    if (found instanceof OrderError) return found;
    return found ? pin.learn(found.store) : view.store(storeId);
  }

  /**
   * Gives up at a time by performance.now(): then the write goes on, but its callers are not told what became of it.
   */
  async #write<Answer>(end: number, write: Omit<Write<Answer>, 'isAbandoned'>): Promise<Answer> {
    let isAbandoned = false;
    const answer = this.#log.write({ ...write, isAbandoned: () => isAbandoned });
    if (await settledWithin(end - performance.now(), answer)) return answer;
    isAbandoned = true;
    throw new NoAnswer(`${this.#place.name} did not confirm the write within ${WRITE_MS} ms`);
  }
}

/** Refuses this many requests if the log numbers nothing now: none of them was put. Rethrows any other error. */
function refusedBy(error: unknown, requests: number): NumberedBatch {
  if (!(error instanceof NotServed)) throw error;
  const refused = ledgerReopening(error);
  return { outcomes: Array.from({ length: requests }, () => ({ refused })), change: undefined };
}

function formStore<Written>(
  view: LedgerView,
  store: Store | OrderError | undefined,
  write: StoreWrite<Written>,
): Formed<Written | OrderError> {
  if (store instanceof OrderError) return { answer: store, change: undefined, restsOnHead: true };
  const createTimeMs = Math.max(Date.now(), view.lastCreateTimeMs);
  const formed = write(store, createTimeMs);
  if (formed instanceof OrderError) return { answer: formed, change: undefined, restsOnHead: true };
  const { written, after } = formed;
  const change: LogChange = {
    lastOrderId: view.lastOrderId,
    // Only allocations move create_time forward.
    createTimeMs: view.lastCreateTimeMs,
    stores: [after],
    created: new Set(store ? [] : [after.storeId]),
    allocations: [],
    losses: [],
    isMoving: false,
    movedTo: undefined,
  };
  return { answer: written, change, restsOnHead: false };
}
