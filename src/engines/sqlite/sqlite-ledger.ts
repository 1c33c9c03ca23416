import { setTimeout as delay } from 'node:timers/promises';
import type { Allocation, AllocationRequest } from '../../allocation.ts';
import { messageOf, OrderError } from '../../errors.ts';
import { ledgerLost, ledgerUnusable, stoppedBeforeOpen } from '../../ledger-errors.ts';
import type { CommitListener, Ledger, Outcome } from '../../ledger.ts';
import type { LedgerObserver } from '../../observers.ts';
import type { Store, StoreChanges, StoreSettings } from '../../store.ts';
import { storeUnknown } from '../../store.ts';
import type { CheckpointerMethods } from './checkpointer.ts';
import type { Fence } from './fence.ts';
import { takeFence } from './fence.ts';
import { FileWatch } from './file-watch.ts';
import { closedReason, explainFailure } from './full-disk.ts';
import type { FileSizes, LedgerFiles } from './ledger-files.ts';
import { fileSizes, locateLedger, requireSomeFile } from './ledger-files.ts';
import { isFinal, isLoss, newAllocations, toOutcomes, toStoreError } from './outcomes.ts';
import { packRequests, unpackOutcomes } from './packed-batch.ts';
import { SqliteReads } from './sqlite-reads.ts';
import type { StoreRefusal } from './store-transaction.ts';
import type { ThreadFailure } from './thread.ts';
import { Thread, threadModule } from './thread.ts';
import type { WriterMethods, WriterOptions } from './writer.ts';

/** Commits after which the checkpointer looks whether the WAL has grown long. */
const COMMITS_BETWEEN_LOOKS = 16;
/** Somebody's long reading, or a disk slower than the commits, ends the passes of one checkpoint. */
const MAX_PASSES = 5;
/** Between two attempts to open a ledger that is not ready to be opened. */
const OPEN_RETRY_MS = 200;

/** Any ledger is served, unless one is expected. */
export type SqliteLedgerOptions = Pick<WriterOptions, 'autoCreateStores'> & Partial<Pick<WriterOptions, 'expected'>>;

/**
 * The ledger in one SQLite file (see {@link Ledger} for what it promises), owned by this process alone.
 * This side never touches the disk: three threads do, one that writes, one that reads, one that runs
 * checkpoints. Throws LedgerRefused from its constructor where another process owns the file.
 */
export class SqliteLedger implements Ledger {
  readonly #files: LedgerFiles;
  readonly #observer: LedgerObserver;
  readonly #fence: Fence;
  readonly #writer: Thread<WriterMethods>;
  readonly #checkpointer: Thread<CheckpointerMethods>;
  readonly reads: SqliteReads;
  readonly #listeners = new Set<CommitListener>();
  readonly #fileWatch: FileWatch;
  #isClosing = false;
  #isLost = false;
  #opened: Promise<void>;
  #lastOrderId = 0n;
  #commitsSinceLook = 0;
  #checkpoint: Promise<void> | undefined;

  constructor(path: string, { autoCreateStores, expected }: SqliteLedgerOptions, observer: LedgerObserver) {
    const files = locateLedger(path);
    requireSomeFile(files, expected);
    this.#files = files;
    this.#observer = observer;
    this.#fence = takeFence(files);
    const lock = this.#fence.identity;
    this.#writer = new Thread(threadModule('writer'), {
      files,
      autoCreateStores,
      expected,
      lock,
    } satisfies WriterOptions);
    this.#checkpointer = new Thread(threadModule('checkpointer'), files);
    this.reads = new SqliteReads(files);
    this.#opened = this.#open(true);
    this.#opened.catch(ignore);
    const look = async () => this.#writer.isRunning && this.#writer.call('look', undefined);
    this.#fileWatch = new FileWatch(look, (loss) => this.#lose(loss));
  }

  /** The end of the sequence over all stores, as far as this process has seen. */
  get lastOrderId(): bigint {
    return this.#lastOrderId;
  }

  readonly fileSizes = (): Promise<FileSizes> => fileSizes(this.#files);

  ready(): Promise<void> {
    return this.#opened;
  }

  async commit(batch: readonly AllocationRequest[]): Promise<readonly Outcome[]> {
    const answer = await this.#write('commit', packRequests(batch));
    if (answer.markError) this.#observer.warning(`the high-water mark could not be written: ${answer.markError}`);
    this.#observer.transaction(answer.ms, answer.syncMs);
    if (++this.#commitsSinceLook >= COMMITS_BETWEEN_LOOKS) this.#checkpoint ??= this.#runCheckpoint();
    const outcomes = unpackOutcomes(answer.outcomes, batch);
    this.#endsAt(answer.lastOrderId, newAllocations(outcomes));
    return toOutcomes(outcomes, batch);
  }

  createStore(store: StoreSettings): Promise<Store> {
    return this.#writeStore(store.storeId, this.#write('createStore', store));
  }

  updateStore(storeId: bigint, changes: StoreChanges): Promise<Store> {
    return this.#writeStore(storeId, this.#write('updateStore', { storeId, changes }));
  }

  onCommitted(listener: CommitListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    this.#fileWatch.stop();
    await this.#opened.catch(ignore);
    try {
      await this.#closeReaders();
      await this.#writer.call('close', undefined);
    } finally {
      await Promise.all([this.#writer.terminate(), this.reads.terminate(), this.#checkpointer.terminate()]);
      this.#fence.release();
    }
  }

  async #write<Name extends 'commit' | 'createStore' | 'updateStore'>(
    name: Name,
    argument: Parameters<WriterMethods[Name]>[0],
  ): Promise<ReturnType<WriterMethods[Name]>> {
    const opened = this.#opened;
    await opened;
    try {
      return await this.#writer.call(name, argument);
    } catch (error) {
      throw await this.#reopenAfter(error, opened);
    }
  }

  async #writeStore(storeId: bigint, write: Promise<Store | StoreRefusal>): Promise<Store> {
    const written = await write.catch((error: unknown) => {
      throw error instanceof OrderError ? error : storeUnknown(storeId, error);
    });
    if (typeof written === 'string') throw toStoreError(written, storeId);
    return written;
  }

  #endsAt(lastOrderId: bigint, allocations: readonly Allocation[]): void {
    this.#lastOrderId = lastOrderId;
    for (const listener of this.#listeners) listener(lastOrderId, allocations);
  }

  /**
   * Starts to open the ledger again after a write that failed, unless that was begun since the opening it was
   * written to; returns what to tell its callers.
   */
  async #reopenAfter(failure: unknown, opened: Promise<void>): Promise<unknown> {
    const lastKnown = this.#lastOrderId;
    if (isLoss(failure)) {
      this.#lose(failure);
      return failure;
    }
    if (opened === this.#opened) {
      this.reads.refuse();
      this.#observer.waiting(`a commit failed; reopening the ledger: ${messageOf(failure)}`, closedReason(failure));
      this.#opened = this.#open(false);
      this.#opened.catch(ignore);
    }
    return explainFailure(failure, this.#opened, () => this.#lastOrderId !== lastKnown);
  }

  /** Tries until the ledger is open. At start every failure but a busy ledger is final. */
  async #open(atStart: boolean): Promise<void> {
    let toldWhy: string | undefined;
    while (!this.#isClosing) {
      let failure: unknown = 'another process is reading an old state of it; it can be opened when that reading ends';
      try {
        if (await this.#tryToOpen()) return;
      } catch (error) {
        if (isLoss(error)) throw this.#lose(error);
        if (atStart || isFinal(error)) throw this.#fail(error);
        failure = error;
      }
      const why = messageOf(failure);
      if (why !== toldWhy) this.#observer.waiting(`the ledger cannot be opened yet: ${why}`, closedReason(failure));
      toldWhy = why;
      await delay(OPEN_RETRY_MS);
    }
    throw stoppedBeforeOpen();
  }

  async #tryToOpen(): Promise<boolean> {
    await this.#closeReaders();
    const opening = await this.#writer.call('open', undefined);
    if (opening === 'busy') return false;
    this.reads.allow();
    this.#endsAt(opening.lastOrderId, []);
    for (const warning of opening.warnings) this.#observer.warning(warning);
    const bytes = await this.fileSizes().then(({ database, wal }) => database + wal);
    this.#observer.opened({ ...opening, where: this.#files.database, bytes });
    return true;
  }

  /** Nothing but the writer may hold the file while it is opened or closed. */
  async #closeReaders(): Promise<void> {
    await this.#checkpoint;
    await this.reads.close();
    if (this.#checkpointer.isRunning) await this.#checkpointer.call('close', undefined);
  }

  /**
   * Where the WAL is long, the checkpointer moves the bulk while commits go on, in passes that get shorter, because less
   * is committed meanwhile; then the writer moves the rest, so that the next commit starts the WAL anew. A failed pass
   * loses nothing: the WAL still has it all.
   */
  async #runCheckpoint(): Promise<void> {
    this.#commitsSinceLook = 0;
    try {
      if (!(await this.#checkpointer.call('isWalLong', undefined))) return;
      for (let pass = 0; pass < MAX_PASSES; pass++) {
        await this.#writer.call('beginPass', undefined);
        if (await this.#checkpointer.call('pass', undefined)) break;
      }
      await this.#writer.call('finishCheckpoint', undefined);
    } catch (error) {
      this.#observer.warning(`a checkpoint failed and will be tried again: ${messageOf(error)}`);
    } finally {
      this.#checkpoint = undefined;
    }
  }

  /** The files are gone: no number, replay or read any more. */
  #lose(loss: ThreadFailure): OrderError {
    const stopped = ledgerLost();
    if (this.#isLost) return stopped;
    this.#isLost = true;
    this.#fileWatch.stop();
    this.reads.refuse();
    this.#opened = Promise.reject(stopped);
    this.#opened.catch(ignore);
    this.#observer.lost(loss.message);
    return stopped;
  }

  #fail(error: unknown): OrderError {
    const failure = ledgerUnusable(error);
    this.#observer.failed(failure);
    return failure;
  }
}

/** The promise's rejection is seen by whoever awaits ready(). */
function ignore(): void {}
