import { extname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Allocation, AllocationRequest } from '../../allocation.ts';
import { OrderError } from '../../errors.ts';
import type { Ledger, Outcome } from '../../ledger.ts';
import type { BatchOutcome } from './batch-transaction.ts';
import type { CheckpointerMethods } from './checkpointer.ts';
import type { Fence } from './fence.ts';
import { takeFence } from './fence.ts';
import type { LedgerFiles } from './ledger-files.ts';
import { locateLedger } from './ledger-files.ts';
import { packRequests, unpackOutcomes } from './packed-batch.ts';
import type { ReaderMethods } from './reader.ts';
import type { Methods } from './thread.ts';
import { Thread, ThreadFailure } from './thread.ts';
import type { WriterMethods } from './writer.ts';

/** Commits after which the checkpointer looks whether the WAL has grown long. */
const COMMITS_BETWEEN_LOOKS = 16;
/** Between two attempts to open a ledger that is not ready to be opened. */
const OPEN_RETRY_MS = 200;
/** How long a batch that met a full disk waits for the proof that nothing of it was done. */
const PROOF_WAIT_MS = 1000;

/** What the ledger tells whoever runs it; each call returns at once and never throws. */
export interface SqliteLedgerObserver {
  /** It may number now. */
  opened(): void;
  /** It does not number until it has opened (again): why, in one sentence. */
  waiting(why: string): void;
  /** It will not number until an operator has acted. */
  failed(error: OrderError): void;
  /** Something to look after that stops nothing. */
  warning(message: string): void;
  /** A transaction committed: how long it took, and of that how long the disk took to confirm it. */
  transaction(ms: number, syncMs: number): void;
}

export interface SqliteLedgerOptions {
  /** Whether the first allocation makes its store. */
  readonly autoCreateStores: boolean;
}

/**
 * The ledger in one SQLite file (see {@link Ledger} for what it promises), owned by this process alone.
 * This side never touches the disk: three threads do, one that writes, one that reads, one that runs
 * checkpoints. Throws LedgerRefused from its constructor where another process owns the file.
 */
export class SqliteLedger implements Ledger {
  readonly #observer: SqliteLedgerObserver;
  readonly #fence: Fence;
  readonly #writer: Thread<WriterMethods>;
  readonly #reader: Thread<ReaderMethods>;
  readonly #checkpointer: Thread<CheckpointerMethods>;
  #isOpen = false;
  #isClosing = false;
  #opened: Promise<void>;
  #lastOrderId = 0n;
  #commitsSinceLook = 0;
  #checkpoint: Promise<void> | undefined;

  constructor(path: string, _options: SqliteLedgerOptions, observer: SqliteLedgerObserver) {
    const files = locateLedger(path);
    this.#observer = observer;
    this.#fence = takeFence(files);
    this.#writer = startThread('writer', files);
    this.#reader = startThread('reader', files);
    this.#checkpointer = startThread('checkpointer', files);
    this.#opened = this.#open(true);
    this.#opened.catch(ignore);
  }

  /** The end of the sequence over all stores, as far as this process has seen. */
  get lastOrderId(): bigint {
    return this.#lastOrderId;
  }

  /** In bytes. */
  async fileSizes(): Promise<{ readonly database: number; readonly wal: number }> {
    return { database: 0, wal: 0 };
  }

  ready(): Promise<void> {
    return this.#opened;
  }

  async commit(batch: readonly AllocationRequest[]): Promise<readonly Outcome[]> {
    try {
      const answer = await this.#writer.call('commit', packRequests(batch));
      this.#lastOrderId = answer.lastOrderId;
      if (answer.markError) this.#observer.warning(`the high-water mark could not be written: ${answer.markError}`);
      if (++this.#commitsSinceLook >= COMMITS_BETWEEN_LOOKS) this.#checkpoint ??= this.#runCheckpoint();
      return unpackOutcomes(answer.outcomes, batch).map((outcome, i) => toOutcome(outcome, batch[i]));
    } catch (error) {
      throw await this.#reopenAfter(error);
    }
  }

  async listAllocations(afterOrderId: bigint, limit: number): Promise<readonly Allocation[]> {
    if (!this.#isOpen) throw new OrderError('LEDGER_REOPENING', 'the ledger is being opened: ask again');
    return this.#reader.call('listAllocations', { afterOrderId, limit });
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#opened.catch(ignore);
    this.#isOpen = false;
    try {
      await this.#closeReaders();
      await this.#writer.call('close', undefined);
    } finally {
      await Promise.all([this.#writer.terminate(), this.#reader.terminate(), this.#checkpointer.terminate()]);
      this.#fence.release();
    }
  }

  /** Starts to open the ledger again after a commit that failed; returns what to tell its callers. */
  async #reopenAfter(failure: unknown): Promise<unknown> {
    const lastKnown = this.#lastOrderId;
    this.#isOpen = false;
    this.#observer.waiting(`a commit failed, and the ledger is opened again: ${messageOf(failure)}`);
    this.#opened = this.#open(false);
    this.#opened.catch(ignore);
    if (!(failure instanceof ThreadFailure) || failure.code !== 'SQLITE_FULL') return failure;
    // A full disk is worth a moment's wait: where the end has not moved, nothing of the batch was done.
    const reopened = this.#opened.then(
      () => true,
      () => false,
    );
    const proven = (await Promise.race([reopened, delay(PROOF_WAIT_MS, false)])) && this.#lastOrderId === lastKnown;
    return proven
      ? new OrderError('LEDGER_FULL', 'the disk of the ledger is full: nothing was allocated', { cause: failure })
      : failure;
  }

  /** Tries until the ledger is open. At start every failure but a busy ledger is final. */
  async #open(atStart: boolean): Promise<void> {
    let toldWhy: string | undefined;
    while (!this.#isClosing) {
      let why = 'another process is reading an old state of it; it can be opened when that reading ends';
      try {
        if (await this.#tryToOpen()) return;
      } catch (error) {
        if (atStart || isFinal(error)) throw this.#fail(error);
        why = messageOf(error);
      }
      if (why !== toldWhy) this.#observer.waiting(`the ledger cannot be opened yet: ${why}`);
      toldWhy = why;
      await delay(OPEN_RETRY_MS);
    }
    throw new OrderError('DRAINING', 'the server stopped before the ledger was open');
  }

  async #tryToOpen(): Promise<boolean> {
    await this.#closeReaders();
    const opening = await this.#writer.call('open', undefined);
    if (opening === 'busy') return false;
    this.#lastOrderId = opening.lastOrderId;
    this.#isOpen = true;
    for (const warning of opening.warnings) this.#observer.warning(warning);
    this.#observer.opened();
    return true;
  }

  /** Nothing but the writer may hold the file while it is opened or closed. */
  async #closeReaders(): Promise<void> {
    await this.#checkpoint;
    if (this.#reader.isRunning) await this.#reader.call('close', undefined);
    if (this.#checkpointer.isRunning) await this.#checkpointer.call('close', undefined);
  }

  /**
   * Two passes where the WAL is long: the checkpointer moves the bulk while commits go on, then the writer
   * moves the rest, so that the next commit starts the WAL anew. A failed pass loses nothing: the WAL still
   * has it all.
   */
  async #runCheckpoint(): Promise<void> {
    this.#commitsSinceLook = 0;
    try {
      const didMove = await this.#checkpointer.call('checkpointIfLong', undefined);
      if (didMove) await this.#writer.call('finishCheckpoint', undefined);
    } catch (error) {
      this.#observer.warning(`a checkpoint failed and will be tried again: ${messageOf(error)}`);
    } finally {
      this.#checkpoint = undefined;
    }
  }

  #fail(error: unknown): OrderError {
    const failure = new OrderError('LEDGER_DAMAGED', 'the ledger cannot be used until its operator has acted', {
      cause: error,
    });
    this.#observer.failed(failure);
    return failure;
  }
}

function startThread<M extends Methods>(name: string, files: LedgerFiles): Thread<M> {
  // Beside this file, and as this file: source (.ts) or compiled (.js).
  return new Thread<M>(new URL(`./${name}${extname(import.meta.url)}`, import.meta.url), files);
}

/** Whether trying again cannot help, because an operator is asked for. */
function isFinal(error: unknown): boolean {
  return !(error instanceof ThreadFailure) || error.errorName === 'LedgerRefused';
}

function toOutcome(outcome: BatchOutcome, request: AllocationRequest | undefined): Outcome {
  if (outcome !== 'exhausted') return outcome;
  return {
    refused: new OrderError('SEQUENCE_EXHAUSTED', 'a sequence has reached 2^63-1: no number is left', {
      fields: { store_id: String(request?.storeId) },
    }),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The promise's rejection is seen by whoever awaits ready(). */
function ignore(): void {}
