import type { Allocation, AllocationRequest } from '../../../src/core/allocation.ts';
import { DEFAULT_FIRST_NUMBER, INT64_MAX } from '../../../src/core/allocation.ts';
import { OrderError } from '../../../src/core/errors.ts';
import type { CommitListener, Ledger, LedgerReads, Outcome } from '../../../src/core/ledger.ts';
import type { ChangedStore, Store, StoreChanges, StoreSettings } from '../../../src/core/store.ts';
import { changedStore } from '../../../src/core/changed-store.ts';
import { DEFAULT_STORE } from '../../../src/core/store.ts';
import { MemoryReads } from './memory-reads.ts';

/** How a commit can fail. In the first two cases it rejects with the same error: callers cannot distinguish them. */
export type CommitFault = 'not persisted' | 'persisted after all' | 'never answers' | 'ledger full';

/** A commit that waits for the test. */
export interface HeldCommit {
  /** Resolves when the commit has begun. */
  readonly begun: Promise<void>;
  /** Lets it continue. */
  release(): void;
}

/** What outlives a {@link MemoryLedger}: another one opened on it continues where that one ended. */
export class MemoryDisk {
  readonly rows: Allocation[] = [];
  readonly stores = new Map<bigint, Store>();
  lastOrderId = 0n;
  lastCreateTimeMs = 0;
}

interface Numbered {
  readonly rows: readonly Allocation[];
  readonly outcomes: Outcome[];
  persist(): void;
}

/** A ledger in memory, whose next commits can be held and told how to fail. */
export class MemoryLedger implements Ledger {
  /** Every batch that a commit has begun with. */
  readonly batches: (readonly AllocationRequest[])[] = [];
  /** Commits in flight at the same time, at most. */
  mostInFlight = 0;
  readonly reads: LedgerReads;
  readonly #disk: MemoryDisk;
  readonly #autoCreateStores: boolean;
  readonly #listeners = new Set<CommitListener>();
  readonly #faults: CommitFault[] = [];
  readonly #holds: { begin(): void; released: Promise<void> }[] = [];
  #inFlight = 0;
  #isOpen = true;
  #opened = Promise.resolve();
  /** What a failed commit still left on the disk: seen when the ledger has reopened. */
  #leftBehind: Numbered | undefined;

  constructor(disk = new MemoryDisk(), autoCreateStores = true) {
    this.#disk = disk;
    this.#autoCreateStores = autoCreateStores;
    this.reads = new MemoryReads(disk, () => this.#isOpen);
  }

  /** The commit listeners. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** Makes the next commits without a fault fail in these ways, one after the other. */
  failNext(...faults: CommitFault[]): void {
    this.#faults.push(...faults);
  }

  /** Makes the next commit without a fault wait; a fault injected into it takes effect after its release. */
  holdNext(): HeldCommit {
    const begun = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    this.#holds.push({ begin: begun.resolve, released: released.promise });
    return { begun: begun.promise, release: released.resolve };
  }

  /** Closes the ledger until the test resolves what is returned, or for good with a rejection. */
  startReopening(): PromiseWithResolvers<void> {
    this.#isOpen = false;
    const reopening = Promise.withResolvers<void>();
    this.#opened = reopening.promise.then(() => {
      this.#leftBehind?.persist();
      this.#leftBehind = undefined;
      this.#isOpen = true;
      this.#tell([]);
    });
    this.#opened.catch(() => {});
    return reopening;
  }

  ready(): Promise<void> {
    return this.#opened;
  }

  async commit(batch: readonly AllocationRequest[]): Promise<readonly Outcome[]> {
    this.batches.push(batch);
    this.mostInFlight = Math.max(this.mostInFlight, ++this.#inFlight);
    const hold = this.#holds.shift();
    hold?.begin();
    await hold?.released;
    try {
      return await this.#commit(batch, this.#faults.shift());
    } finally {
      this.#inFlight--;
    }
  }

  async createStore(settings: StoreSettings): Promise<Store> {
    const { storeId, firstNumber } = settings;
    if (this.#disk.stores.has(storeId)) throw new OrderError('STORE_EXISTS', `store ${storeId} exists`);
    const store: Store = { ...settings, lastNumber: firstNumber - 1n, createTimeMs: Date.now() };
    this.#disk.stores.set(storeId, store);
    return store;
  }

  async updateStore(storeId: bigint, changes: StoreChanges): Promise<ChangedStore> {
    const before = this.#disk.stores.get(storeId);
    if (!before) throw new OrderError('STORE_NOT_FOUND', `store ${storeId} does not exist`);
    const after = changedStore(before, changes);
    if (after instanceof OrderError) throw after;
    this.#disk.stores.set(storeId, after);
    return { before, after };
  }

  onCommitted(listener: CommitListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }

  async #commit(batch: readonly AllocationRequest[], fault: CommitFault | undefined): Promise<Outcome[]> {
    if (!this.#isOpen) throw new Error('commit was called while the ledger was not open');
    if (this.#inFlight > 1) throw new Error('commit was called while another one was in flight');
    if (new Set(batch.map(keyOf)).size < batch.length) throw new Error('two requests of a batch have the same key');
    if (fault === 'never answers') return Promise.withResolvers<never>().promise;
    const numbered = this.#number(batch);
    if (fault === undefined) {
      numbered.persist();
      this.#tell(numbered.rows);
      return numbered.outcomes;
    }
    if (fault === 'persisted after all') this.#leftBehind = numbered;
    this.startReopening().resolve();
    if (fault === 'ledger full') throw new OrderError('LEDGER_FULL', 'the disk of the ledger is full');
    throw new Error('the disk failed');
  }

  #tell(rows: readonly Allocation[]): void {
    for (const listener of this.#listeners) listener(this.#disk.lastOrderId, rows);
  }

  #number(batch: readonly AllocationRequest[]): Numbered {
    const disk = this.#disk;
    const rows: Allocation[] = [];
    const lastNumbers = new Map<bigint, bigint>();
    const createTimeMs = Math.max(Date.now(), disk.lastCreateTimeMs);
    let { lastOrderId } = disk;

    const outcomes = batch.map((request): Outcome => {
      const { storeId, requestId, count, caller } = request;
      const original = disk.rows.find((row) => keyOf(row) === keyOf(request));
      if (original) return { allocation: original, replayed: true };
      const store = disk.stores.get(storeId) ?? (this.#autoCreateStores ? newStore(storeId, createTimeMs) : undefined);
      if (!store) return { refused: new OrderError('STORE_NOT_FOUND', `store ${storeId} does not exist`) };
      const lastNumber = lastNumbers.get(storeId) ?? store.lastNumber;
      const ends = [lastOrderId, lastNumber].map((last) => last + BigInt(count));
      if (ends.some((end) => end > INT64_MAX)) return { refused: exhausted() };
      const { prefix, suffix, minDigits } = store;
      const style = { prefix, suffix, minDigits };
      const pair = { orderId: lastOrderId + 1n, orderNumber: lastNumber + 1n };
      const allocation: Allocation = { storeId, requestId, count, ...pair, ...style, createTimeMs, caller };
      rows.push(allocation);
      lastOrderId += BigInt(count);
      lastNumbers.set(storeId, lastNumber + BigInt(count));
      return { allocation, replayed: false };
    });

    const persist = () => {
      disk.rows.push(...rows);
      for (const [storeId, lastNumber] of lastNumbers) {
        disk.stores.set(storeId, { ...(disk.stores.get(storeId) ?? newStore(storeId, createTimeMs)), lastNumber });
      }
      disk.lastOrderId = lastOrderId;
      if (rows.length > 0) disk.lastCreateTimeMs = createTimeMs;
    };
    return { rows, outcomes, persist };
  }
}

function keyOf({ storeId, requestId }: AllocationRequest): string {
  return `${storeId} ${requestId}`;
}

/** A store that was not created, before its first allocation. */
export function newStore(storeId: bigint, createTimeMs: number): Store {
  return { ...DEFAULT_STORE, storeId, lastNumber: DEFAULT_FIRST_NUMBER - 1n, createTimeMs };
}

function exhausted(): OrderError {
  return new OrderError('SEQUENCE_EXHAUSTED', 'a sequence has reached 2^63-1: no number is left');
}
