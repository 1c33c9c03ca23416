import { workerData } from 'node:worker_threads';
import type { Store, StoreChanges, StoreSettings } from '../../store.ts';
import { BatchTransaction } from './batch-transaction.ts';
import { checkpoint } from './connection.ts';
import type { LedgerFiles } from './ledger-files.ts';
import type { OpenLedger } from './opening.ts';
import { openLedger } from './opening.ts';
import type { PackedOutcomes, PackedRequests } from './packed-batch.ts';
import { packOutcomes, unpackRequests } from './packed-batch.ts';
import type { StoreRefusal } from './store-transaction.ts';
import { StoreTransaction } from './store-transaction.ts';
import { serveThread } from './thread.ts';

/** How an attempt to open ended; 'busy' while another process reads an old state of the ledger. */
export type Opening = { readonly lastOrderId: bigint; readonly warnings: readonly string[] } | 'busy';

/** A committed batch, as it leaves the thread. */
export interface WriterAnswer {
  readonly outcomes: PackedOutcomes;
  readonly lastOrderId: bigint;
  /** As in CommittedBatch. */
  readonly ms: number;
  readonly syncMs: number;
  /** Why the mark could not be written; P9 is weaker until it is. */
  readonly markError: string | undefined;
}

/** What the writer thread is started with. */
export interface WriterOptions {
  readonly files: LedgerFiles;
  readonly autoCreateStores: boolean;
}

/** What the writer thread serves. */
export type WriterMethods = {
  open(_: undefined): Opening;
  commit(batch: PackedRequests): WriterAnswer;
  createStore(store: StoreSettings): Store | StoreRefusal;
  updateStore(update: { readonly storeId: bigint; readonly changes: StoreChanges }): Store | StoreRefusal;
  finishCheckpoint(_: undefined): void;
  close(_: undefined): void;
};

/** The one that writes the ledger's file. Everything here may wait for the disk. */
class Writer {
  readonly #options: WriterOptions;
  #ledger: (OpenLedger & { readonly batches: BatchTransaction; readonly stores: StoreTransaction }) | undefined;
  /** A transaction failed: nothing more is done on this connection. */
  #hasFailed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  open(): Opening {
    this.#release();
    const ledger = openLedger(this.#options.files);
    if (!ledger) return 'busy';
    const { db } = ledger;
    const batches = new BatchTransaction(db, this.#options.autoCreateStores);
    this.#ledger = { ...ledger, batches, stores: new StoreTransaction(db) };
    this.#hasFailed = false;
    return { lastOrderId: ledger.lastOrderId, warnings: ledger.warnings };
  }

  commit(batch: PackedRequests): WriterAnswer {
    const { batches, mark, ledgerId } = this.#opened();
    const { outcomes, lastOrderId, ms, syncMs } = this.#attempt(() => batches.commit(unpackRequests(batch)));
    let markError: string | undefined;
    try {
      mark.write({ ledgerId, lastOrderId });
    } catch (error) {
      // The batch is on disk all the same; what is weaker now is the guard against older copies.
      markError = String(error);
    }
    return { outcomes: packOutcomes(outcomes), lastOrderId, ms, syncMs, markError };
  }

  createStore(store: StoreSettings): Store | StoreRefusal {
    const { stores } = this.#opened();
    return this.#attempt(() => stores.create(store));
  }

  updateStore(storeId: bigint, changes: StoreChanges): Store | StoreRefusal {
    const { stores } = this.#opened();
    return this.#attempt(() => stores.change(storeId, changes));
  }

  /** Ends what the checkpointer began. Little has come meanwhile, and then the WAL starts again. */
  finishCheckpoint(): void {
    const { db, mark } = this.#opened();
    checkpoint(db, 'PASSIVE');
    mark.sync();
  }

  close(): void {
    if (this.#ledger && !this.#hasFailed) {
      checkpoint(this.#ledger.db, 'TRUNCATE');
      this.#ledger.mark.sync();
    }
    this.#release();
  }

  #opened() {
    if (!this.#ledger || this.#hasFailed) throw new Error('the ledger is not open');
    return this.#ledger;
  }

  /** After one that failed nobody knows what is on disk: what was asked meanwhile must not be done either. */
  #attempt<Result>(transaction: () => Result): Result {
    try {
      return transaction();
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
  }

  #release(): void {
    const ledger = this.#ledger;
    this.#ledger = undefined;
    ledger?.mark.close();
    ledger?.db.close();
  }
}

const writer = new Writer(workerData as WriterOptions);
serveThread({
  open: () => writer.open(),
  commit: (batch: PackedRequests) => writer.commit(batch),
  createStore: (store: StoreSettings) => writer.createStore(store),
  updateStore: ({ storeId, changes }: { storeId: bigint; changes: StoreChanges }) =>
    writer.updateStore(storeId, changes),
  finishCheckpoint: () => writer.finishCheckpoint(),
  close: () => writer.close(),
} satisfies WriterMethods);
