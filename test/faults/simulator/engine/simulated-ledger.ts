import type { AllocationRequest } from '../../../../src/core/allocation.ts';
import { OrderError } from '../../../../src/core/errors.ts';
import type { CommitListener, Ledger, LedgerReads, Outcome } from '../../../../src/core/ledger.ts';
import { CommitFeed } from '../../../../src/core/reading/commit-feed.ts';
import { ledgerFull, ledgerUnusable, storeExists, storeNotFound, storeUnknown } from '../../../../src/core/refusals.ts';
import type { ChangedStore, Store, StoreChanges, StoreSettings } from '../../../../src/core/store.ts';
import { changedStore } from '../../../../src/core/changed-store.ts';
import type { IndexedDisk } from './indexed-disk.ts';
import { elapsed } from '../../seeded/time/simulated-time.ts';
import { IndexedReads } from './indexed-disk.ts';

/** How a write can fail. Callers cannot distinguish the first two. */
export type WriteFault =
  'not persisted' | 'persisted after all' | 'never answers' | 'ledger full' | 'full after all' | 'cannot reopen';

/** How long the steps of a write take, in milliseconds, and how it fails. */
export interface WriteCourse {
  /** From its beginning until it is on the disk. */
  readonly writeMs: number;
  readonly fault: WriteFault | undefined;
  /** Until its caller hears of it. */
  readonly answerMs: number;
  /** Until the ledger is open again, after a fault. */
  readonly reopenMs: number;
}

/** A point of a write at which the process can be killed. */
export type WritePoint = 'write begun' | 'written' | 'answer on its way';

/** What disturbs a {@link SimulatedLedger}. */
export interface Disturbance {
  course(write: 'batch' | 'store'): WriteCourse;
  /** May kill the ledger. */
  reached(point: WritePoint): void;
  /** The batch of which a commit begins, in the same turn in which it was formed. */
  forming(batch: readonly AllocationRequest[]): void;
}

const AT_ONCE: WriteCourse = { writeMs: 0, fault: undefined, answerMs: 0, reopenMs: 0 };

export const UNDISTURBED: Disturbance = { course: () => AT_ONCE, reached: () => {}, forming: () => {} };

/** A model of an engine, whose writes take time, fail and are killed as a run wants. */
export class SimulatedLedger implements Ledger {
  readonly reads: LedgerReads;
  readonly #disk: IndexedDisk;
  readonly #autoCreateStores: boolean;
  readonly #disturbance: Disturbance;
  readonly #feed = new CommitFeed();
  #isOpen = true;
  #opened: Promise<void> = Promise.resolve();
  #isDead = false;
  #isCommitting = false;
  /** Until this time, by performance.now(), the disk is full. */
  #fullUntilMs = -Infinity;

  constructor(disk: IndexedDisk, autoCreateStores = true, disturbance = UNDISTURBED) {
    this.#disk = disk;
    this.#autoCreateStores = autoCreateStores;
    this.#disturbance = disturbance;
    this.reads = new IndexedReads(disk, () => this.#isOpen);
    this.#feed.endsAt(disk.lastOrderId);
  }

  /** The process is gone: nothing that waits for this ledger ever goes on. */
  kill(): void {
    this.#isDead = true;
    this.#isOpen = false;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  ready(): Promise<void> {
    return this.#isDead ? forever() : this.#opened;
  }

  async commit(batch: readonly AllocationRequest[]): Promise<readonly Outcome[]> {
    if (this.#isCommitting) throw new Error('commit was called while another one was in flight');
    this.#isCommitting = true;
    this.#disturbance.forming(batch);
    try {
      return await this.#write('batch', () => {
        const { outcomes, persist } = this.#disk.number(batch, this.#autoCreateStores);
        return { result: outcomes, persist, told: () => this.#feed.committed(this.#disk.lastOrderId, outcomes) };
      });
    } finally {
      this.#isCommitting = false;
    }
  }

  async createStore(settings: StoreSettings): Promise<Store> {
    const { storeId, firstNumber } = settings;
    return this.#storeWrite(storeId, () => {
      if (this.#disk.stores.has(storeId)) throw storeExists(storeId);
      const result: Store = { ...settings, lastNumber: firstNumber - 1n, createTimeMs: Date.now() };
      return { result, persist: () => this.#disk.stores.set(storeId, result) };
    });
  }

  async updateStore(storeId: bigint, changes: StoreChanges): Promise<ChangedStore> {
    return this.#storeWrite(storeId, () => {
      const before = this.#disk.stores.get(storeId);
      if (!before) throw storeNotFound(storeId);
      const after = changedStore(before, changes);
      if (after instanceof OrderError) throw after;
      return { result: { before, after }, persist: () => this.#disk.stores.set(storeId, after) };
    });
  }

  onCommitted(listener: CommitListener): () => void {
    return this.#feed.listen(listener);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    this.#opened = forever();
    this.#feed.close();
  }

  async #storeWrite<Result>(storeId: bigint, transact: () => Write<Result>): Promise<Result> {
    try {
      return await this.#write('store', transact);
    } catch (error) {
      throw error instanceof OrderError ? error : storeUnknown(storeId, error);
    }
  }

  async #write<Result>(kind: 'batch' | 'store', transact: () => Write<Result>): Promise<Result> {
    // Another write may have failed since `ready` resolved.
    while (!this.#isOpen) await this.ready();
    if (performance.now() < this.#fullUntilMs) throw ledgerFull('the disk is still full');
    const { writeMs, fault, answerMs, reopenMs } = this.#disturbance.course(kind);
    this.#disturbance.reached('write begun');
    await this.#pass(writeMs);
    if (fault === 'never answers') return forever();
    const { result, persist, told } = transact();
    const isPersisted = fault === undefined || fault === 'persisted after all' || fault === 'full after all';
    const before = this.#disk.lastOrderId;
    if (isPersisted) persist();
    if (fault === undefined) {
      this.#disturbance.reached('written');
      await this.#pass(answerMs);
      told?.();
      this.#disturbance.reached('answer on its way');
      return result;
    }
    if (fault === 'cannot reopen') this.#closeForGood();
    else this.#reopen(reopenMs);
    this.#disturbance.reached('written');
    await this.#pass(answerMs);
    if (fault !== 'ledger full' && fault !== 'full after all') throw new Error('the disk failed');
    this.#fullUntilMs = performance.now() + reopenMs;
    await this.#opened;
    // Nothing of the batch is durable if the reopened ledger ends where it ended before.
    throw this.#disk.lastOrderId === before ? ledgerFull('the disk is full') : new Error('the disk was full');
  }

  #reopen(ms: number): void {
    this.#isOpen = false;
    const opened = this.#pass(ms).then(() => {
      if (this.#opened !== opened) return;
      this.#isOpen = true;
      this.#feed.endsAt(this.#disk.lastOrderId);
    });
    this.#opened = opened;
  }

  #closeForGood(): void {
    this.#isOpen = false;
    this.#opened = Promise.reject(ledgerUnusable('an operator has to act'));
    this.#opened.catch(() => {});
  }

  /** Lets time pass; forever once the process is gone. */
  async #pass(ms: number): Promise<void> {
    if (ms > 0) await elapsed(ms);
    if (this.#isDead) await forever();
  }
}

interface Write<Result> {
  readonly result: Result;
  persist(): void;
  /** Called when the caller is about to hear of it. */
  told?(): void;
}

function forever(): Promise<never> {
  return Promise.withResolvers<never>().promise;
}
