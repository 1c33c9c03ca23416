import { setTimeout as delay } from 'node:timers/promises';
import type { AllocationRequest } from '../../core/allocation.ts';
import type { OrderError } from '../../core/errors.ts';
import { messageOf } from '../../core/errors.ts';
import { ledgerFull, ledgerLost, ledgerUnusable, stoppedBeforeOpen } from '../../core/refusals.ts';
import type { CommitListener, Ledger, Outcome } from '../../core/ledger.ts';
import type { LedgerObserver } from '../../core/observers.ts';
import { CommitFeed } from '../../core/reading/commit-feed.ts';
import type { ChangedStore, Store, StoreChanges, StoreSettings } from '../../core/store.ts';
import { Checkpoints } from './threads/checkpoints.ts';
import type { Fence } from './file/fence.ts';
import { takeFence } from './file/fence.ts';
import { FileWatch } from './disk/file-watch.ts';
import { closedReason, explainFailure, isFinal, isLoss } from './disk/failures.ts';
import { fileSizes } from './disk/file-sizes.ts';
import type { LedgerFiles } from './file/ledger-files.ts';
import { locateLedger } from './file/ledger-files.ts';
import { requireOpenable } from './recovery/open-ledger.ts';
import { storeOutcome } from './statements/store-transaction.ts';
import { packRequests, unpackOutcomes } from './threads/packed-batch.ts';
import { SqliteReads } from './sqlite-reads.ts';
import type { ThreadFailure } from './threads/thread.ts';
import { Thread, threadModule } from './threads/thread.ts';
import type { FullDisk, WriterMethods, WriterOptions } from './threads/writer.ts';

/** Pause between two attempts to open the ledger. */
const OPEN_RETRY_MS = 200;
/** Pause between two checks whether a full disk has room again; each write checks, too. */
const FULL_RETRY_MS = 1000;

/** Serves any ledger unless one is expected. */
export type SqliteLedgerOptions = Pick<WriterOptions, 'autoCreateStores'> & Partial<Pick<WriterOptions, 'expected'>>;

/**
 * The ledger in one SQLite file (see {@link Ledger} for what it promises), owned by this process alone. The constructor
 * locates the file and takes its lock; it throws LedgerRefused if another process owns the file. After that, whatever may
 * wait for the disk is done by threads: one writes, one reads, one runs checkpoints, and each verification has its own.
 */
export class SqliteLedger implements Ledger {
  readonly #files: LedgerFiles;
  readonly #observer: LedgerObserver;
  readonly #fence: Fence;
  readonly #writer: Thread<WriterMethods>;
  readonly #checkpoints: Checkpoints;
  readonly reads: SqliteReads;
  readonly #feed = new CommitFeed();
  readonly #fileWatch: FileWatch;
  /** The ledger in the file, once it is known. A thread that dies forgets it. */
  #ledgerId: string | undefined;
  #isClosing = false;
  #isLost = false;
  #opened: Promise<void>;
  /** Whether {@link #opened} has resolved, so that a write need not wait for it. */
  #isOpen = false;
  /** Set while the disk is full. The ledger can then be read but not written. */
  #full: FullDisk | undefined;
  #retry: Promise<void> | undefined;

  constructor(path: string, { autoCreateStores, expected }: SqliteLedgerOptions, observer: LedgerObserver) {
    const files = locateLedger(path);
    this.#files = files;
    this.#observer = observer;
    this.#fence = takeFence(files, () => requireOpenable(files, { expected }));
    const data: WriterOptions = { files, autoCreateStores, expected, lock: this.#fence.identity };
    this.#writer = new Thread(threadModule('writer'), data);
    this.#checkpoints = new Checkpoints(files, this.#writer, observer);
    this.reads = new SqliteReads(files);
    this.#opened = this.#watched(this.#open(true));
    const check = async () => this.#writer.isRunning && this.#writer.call('checkFiles', undefined);
    this.#fileWatch = new FileWatch(check, (loss) => this.#lose(loss));
  }

  /** The end of the sequence over all stores, as far as this process knows. */
  get lastOrderId(): bigint {
    return this.#feed.lastOrderId;
  }

  readonly fileSizes = () => fileSizes(this.#files);

  ready(): Promise<void> {
    return this.#opened;
  }

  async commit(batch: readonly AllocationRequest[]): Promise<readonly Outcome[]> {
    const answer = await this.#write('commit', packRequests(batch));
    if (answer.markError) this.#observer.warning(`the high-water mark could not be written: ${answer.markError}`);
    this.#observer.transaction(answer.ms, answer.syncMs);
    this.#checkpoints.committed();
    const outcomes = unpackOutcomes(answer.outcomes, batch);
    this.#feed.committed(answer.lastOrderId, outcomes);
    return outcomes;
  }

  createStore(store: StoreSettings): Promise<Store> {
    return storeOutcome(store.storeId, this.#write('createStore', store));
  }

  updateStore(storeId: bigint, changes: StoreChanges): Promise<ChangedStore> {
    return storeOutcome(storeId, this.#write('updateStore', { storeId, changes }));
  }

  onCommitted(listener: CommitListener): () => void {
    return this.#feed.listen(listener);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    this.#fileWatch.stop();
    await this.#opened.catch(ignore);
    await this.#retry;
    try {
      await this.#closeReaders();
      await this.#writer.call('close', undefined);
    } catch (error) {
      if (!isLoss(error)) throw error;
      this.#lose(error);
    } finally {
      await Promise.all([this.#writer.terminate(), this.reads.terminate(), this.#checkpoints.terminate()]);
      this.#fence.release();
    }
  }

  async #write<Name extends 'commit' | 'createStore' | 'updateStore'>(
    name: Name,
    argument: Parameters<WriterMethods[Name]>[0],
  ): Promise<ReturnType<WriterMethods[Name]>> {
    const opened = this.#opened;
    // Another write may have failed since `ready` resolved.
    if (!this.#isOpen) await opened;
    if (this.#full) await this.#openAgain();
    if (this.#full) throw ledgerFull(this.#full.why);
    try {
      return await this.#writer.call(name, argument);
    } catch (error) {
      throw await this.#reopenAfter(error, opened);
    }
  }

  /**
   * Begins to reopen the ledger after a failed write, unless that was begun since `opened`, the opening that it was
   * written to. Returns what to tell its callers.
   */
  async #reopenAfter(failure: unknown, opened: Promise<void>): Promise<unknown> {
    const lastKnown = this.#feed.lastOrderId;
    if (isLoss(failure)) {
      this.#lose(failure);
      return failure;
    }
    if (opened === this.#opened) {
      this.reads.refuse();
      this.#observer.waiting(`commit failed (${messageOf(failure)}); reopening the ledger`, closedReason(failure));
      this.#opened = this.#watched(this.#open(false));
    }
    return explainFailure(failure, this.#opened, () => this.#feed.lastOrderId !== lastKnown);
  }

  /** Returns the promise, for `#opened`, whose rejection is never unhandled, even if nothing awaits it. */
  #watched(opened: Promise<void>): Promise<void> {
    this.#isOpen = false;
    opened.then(() => (this.#isOpen = opened === this.#opened), ignore);
    return opened;
  }

  /** Retries until the ledger is open. At start every failure is final except a busy ledger. */
  async #open(atStart: boolean): Promise<void> {
    let toldWhy: string | undefined;
    while (!this.#isClosing) {
      let failure: unknown;
      try {
        await this.#closeReaders();
        if (await this.#tryToOpen(atStart)) return;
        failure = await this.#writer.call('whyBusy', undefined);
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

  async #tryToOpen(atStart: boolean): Promise<boolean> {
    const opening = await this.#writer.call('open', { atStart, ledgerId: this.#ledgerId });
    if (opening === 'busy') return false;
    this.reads.allow();
    this.#feed.endsAt(opening.lastOrderId);
    const wasFull = this.#full;
    this.#full = 'why' in opening ? opening : undefined;
    if ('why' in opening) {
      if (wasFull?.why !== opening.why) this.#observer.waiting(opening.why, 'disk full');
      if (!wasFull) void this.#waitForRoom();
      return true;
    }
    this.#ledgerId = opening.ledgerId;
    for (const warning of opening.warnings) this.#observer.warning(warning);
    const bytes = await this.fileSizes().then(({ database, wal }) => database + wal);
    this.#observer.opened({ ...opening, where: this.#files.database, bytes });
    return true;
  }

  /** Readers of a full ledger go on, because what they have read stays true. */
  #openAgain(): Promise<void> {
    this.#retry ??= this.#tryToOpen(false)
      .then(ignore, (error: unknown) => {
        if (isLoss(error)) this.#lose(error);
        else if (isFinal(error)) this.#opened = this.#watched(Promise.reject(this.#fail(error)));
      })
      .finally(() => (this.#retry = undefined));
    return this.#retry;
  }

  async #waitForRoom(): Promise<void> {
    while (this.#full && !this.#isClosing && !this.#isLost) {
      await delay(FULL_RETRY_MS, undefined, { ref: false });
      if (!this.#isClosing) await this.#openAgain();
    }
  }

  /** Only the writer may hold the file while it is opened or closed. */
  async #closeReaders(): Promise<void> {
    await this.#checkpoints.close();
    await this.reads.close();
  }

  /** The files are gone, so no number, replay or read is given any more. */
  #lose(loss: ThreadFailure): OrderError {
    const stopped = ledgerLost();
    if (this.#isLost) return stopped;
    this.#isLost = true;
    this.#fileWatch.stop();
    this.reads.refuse();
    this.#opened = this.#watched(Promise.reject(stopped));
    this.#observer.lost(loss.message);
    return stopped;
  }

  #fail(error: unknown): OrderError {
    const failure = ledgerUnusable(error);
    this.#observer.failed(failure);
    return failure;
  }
}

function ignore(): void {}
