import { parentPort, workerData } from 'node:worker_threads';
import type { ExpectedLedger } from '../../../core/expected-ledger.ts';
import type { ChangedStore, Store, StoreChanges, StoreSettings } from '../../../core/store.ts';
import { BatchTransaction } from '../statements/batch-transaction.ts';
import { checkpoint, completeCheckpoint, raiseGeneration } from '../file/checkpoint.ts';
import type { FileIdentity } from '../disk/held-files.ts';
import { isDiskFull } from '../disk/disk-room.ts';
import { HeldFiles } from '../disk/held-files.ts';
import { syncFile } from '../file/fsync.ts';
import { holdersOf } from '../file/holders.ts';
import type { LedgerFiles } from '../file/ledger-files.ts';
import type { OpenLedger } from '../recovery/open-ledger.ts';
import { LedgerDiskFull, openLedger } from '../recovery/open-ledger.ts';
import type { PackedOutcomes, PackedRequests } from './packed-batch.ts';
import { packOutcomes, unpackRequests } from './packed-batch.ts';
import { WalRestartGuard } from './wal-restart-guard.ts';
import type { StoreRefusal } from '../statements/store-transaction.ts';
import { StoreTransaction } from '../statements/store-transaction.ts';
import { serveThread } from './thread.ts';

/** The result of an attempt to open; 'busy' while another process reads an old state of the ledger. */
export type Opening = Pick<OpenLedger, 'ledgerId' | 'lastOrderId' | 'isNew' | 'warnings'> | FullDisk | 'busy';

/** The disk has no room. Everything up to `lastOrderId` is on disk and may be read. */
export interface FullDisk {
  readonly lastOrderId: bigint;
  readonly why: string;
}

/** A committed batch as it leaves the thread. */
export interface WriterAnswer {
  readonly outcomes: PackedOutcomes;
  readonly lastOrderId: bigint;
  /** As in CommittedBatch. */
  readonly ms: number;
  readonly syncMs: number;
  /** Why the mark could not be written. P9 is weaker until it is. */
  readonly markError: string | undefined;
}

/** The workerData of the writer thread. */
export interface WriterOptions {
  readonly files: LedgerFiles;
  /** Whether the first allocation creates its store. */
  readonly autoCreateStores: boolean;
  readonly expected: ExpectedLedger | undefined;
  /** The file that the fence has locked. */
  readonly lock: FileIdentity;
}

export interface OpeningAttempt {
  /** It opens beside readers: no failure in this process can have left pages in memory that are not on disk. */
  readonly atStart: boolean;
  /** The ledger that this process has opened before: it is only reopened and never created, whatever is in its place. */
  readonly ledgerId?: string | undefined;
}

/** The methods of the writer thread. */
export type WriterMethods = {
  open(how: OpeningAttempt): Opening;
  /** Why the last opening was busy, in one sentence. */
  whyBusy(_: undefined): string;
  commit(batch: PackedRequests): WriterAnswer;
  createStore(store: StoreSettings): Store | StoreRefusal;
  updateStore(update: { readonly storeId: bigint; readonly changes: StoreChanges }): ChangedStore | StoreRefusal;
  beginPass(_: undefined): void;
  finishCheckpoint(_: undefined): void;
  /** Throws HeldFilesChanged if the files are no longer at their names. */
  checkFiles(_: undefined): void;
  close(_: undefined): void;
};

interface WrittenLedger extends OpenLedger {
  readonly batches: BatchTransaction;
  readonly stores: StoreTransaction;
  readonly guard: WalRestartGuard;
}

/** Writes the ledger's file. Everything here may wait for the disk. */
export class Writer {
  readonly #options: WriterOptions;
  readonly #held: HeldFiles;
  #ledger: WrittenLedger | undefined;
  /** Why a transaction failed. After that this connection is no longer used. */
  #failure: { readonly error: unknown } | undefined;
  #wasFull = false;
  /** Whether the last change gave no order_id: see Base. */
  #isStoreChangeLast = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#held = new HeldFiles(options.files, options.lock);
  }

  open({ atStart, ledgerId: known }: OpeningAttempt): Opening {
    this.#release();
    const { files, autoCreateStores } = this.#options;
    const expected = known === undefined ? this.#options.expected : { create: false, ledgerId: known };
    this.#held.beforeOpening();
    let ledger: OpenLedger | undefined;
    try {
      ledger = openLedger(files, { expected, passReaders: atStart, wasFull: this.#wasFull });
    } catch (error) {
      if (!(error instanceof LedgerDiskFull)) throw error;
      this.#wasFull = true;
      return { lastOrderId: error.lastOrderId, why: error.message };
    }
    if (!ledger) return 'busy';
    const { db, mark, ledgerId, lastOrderId, isNew, warnings } = ledger;
    try {
      this.#held.afterOpening();
      const batches = new BatchTransaction(db, autoCreateStores);
      const stores = new StoreTransaction(db);
      this.#ledger = { ...ledger, batches, stores, guard: new WalRestartGuard(files.database) };
    } catch (error) {
      mark.close();
      db.close();
      throw error;
    }
    this.#failure = undefined;
    this.#wasFull = false;
    this.#isStoreChangeLast = false;
    return { ledgerId, lastOrderId, isNew, warnings };
  }

  whyBusy(): string {
    const holders = holdersOf(this.#options.files);
    const who = holders.length === 0 ? 'another process' : `process ${holders.join(', process ')}`;
    return `${who} is reading an old state of it; it opens once that read ends`;
  }

  commit(batch: PackedRequests): WriterAnswer {
    const { batches, mark, ledgerId } = this.#opened();
    const { outcomes, lastOrderId, ms, syncMs } = this.#attempt(() => batches.commit(unpackRequests(batch)));
    if (outcomes.some((outcome) => typeof outcome !== 'string' && !outcome.replayed)) this.#isStoreChangeLast = false;
    let markError: string | undefined;
    try {
      mark.write({ ledgerId, lastOrderId });
    } catch (error) {
      // The batch is on disk nevertheless. Only the protection against older copies is weaker.
      markError = String(error);
    }
    return { outcomes: packOutcomes(outcomes), lastOrderId, ms, syncMs, markError };
  }

  createStore(store: StoreSettings): Store | StoreRefusal {
    return this.#changeStores((stores) => stores.create(store));
  }

  updateStore(storeId: bigint, changes: StoreChanges): ChangedStore | StoreRefusal {
    return this.#changeStores((stores) => stores.change(storeId, changes));
  }

  /** Lets the checkpointer move everything that was committed so far, but does not let the WAL restart. */
  beginPass(): void {
    this.#held.beforeCheckpoint();
    this.#opened().guard.move();
  }

  /** Ends what the checkpointer began. Only a little was committed since; then the WAL restarts. */
  finishCheckpoint(): void {
    const { db, mark, guard } = this.#opened();
    if (this.#isStoreChangeLast) this.#attempt(() => raiseGeneration(db));
    this.#isStoreChangeLast = false;
    this.#held.beforeCheckpoint();
    guard.move();
    if (completeCheckpoint(db, this.#options.files, mark)) guard.renew();
    this.#held.afterCheckpoint();
  }

  checkFiles(): void {
    if (this.#failure) throw this.#failure.error;
    if (this.#ledger) this.#attempt(() => this.#held.requireAllSame());
  }

  close(): void {
    const { db, mark, guard } = this.#ledger ?? {};
    try {
      if (db && mark && guard && !this.#failure) {
        this.#held.requireNotOverwritten();
        guard.close();
        if (checkpoint(db, 'TRUNCATE').busy) mark.sync();
        else {
          // After a power cut, an older WAL without a base would fit an older copy of the database.
          syncFile(this.#options.files.wal);
          mark.forgetBase();
        }
      }
    } finally {
      this.#release();
    }
  }

  #changeStores<Written>(change: (stores: StoreTransaction) => Written): Written {
    const { stores } = this.#opened();
    this.#isStoreChangeLast = true;
    return this.#attempt(() => change(stores));
  }

  #opened(): WrittenLedger {
    if (this.#failure) throw this.#failure.error;
    if (!this.#ledger) throw new Error('the ledger is not open');
    return this.#ledger;
  }

  /** After a failed transaction the state on disk is unknown, so that calls made meanwhile must fail as well. */
  #attempt<Result>(transaction: () => Result): Result {
    try {
      const result = transaction();
      this.#held.requireSame();
      return result;
    } catch (error) {
      const failure = this.#held.explain(error);
      this.#failure = { error: failure };
      this.#wasFull ||= isDiskFull(failure, this.#options.files);
      throw failure;
    }
  }

  #release(): void {
    const ledger = this.#ledger;
    this.#ledger = undefined;
    if (!ledger) return;
    try {
      ledger.mark.close();
    } finally {
      // Closed last, the connection would move the WAL into the database.
      if (this.#held.isOverwritten) ledger.db.close();
      ledger.guard.close();
      ledger.db.close();
    }
  }
}

// In a thread. Tests create a writer themselves.
if (parentPort) {
  const writer = new Writer(workerData as WriterOptions);
  serveThread({
    open: (how: OpeningAttempt) => writer.open(how),
    whyBusy: () => writer.whyBusy(),
    commit: (batch: PackedRequests) => writer.commit(batch),
    createStore: (store: StoreSettings) => writer.createStore(store),
    updateStore: ({ storeId, changes }: { storeId: bigint; changes: StoreChanges }) =>
      writer.updateStore(storeId, changes),
    beginPass: () => writer.beginPass(),
    finishCheckpoint: () => writer.finishCheckpoint(),
    checkFiles: () => writer.checkFiles(),
    close: () => writer.close(),
  } satisfies WriterMethods);
}
