import { workerData } from 'node:worker_threads';
import { BatchTransaction } from './batch-transaction.ts';
import { checkpoint } from './connection.ts';
import type { LedgerFiles } from './ledger-files.ts';
import type { OpenLedger } from './opening.ts';
import { openLedger } from './opening.ts';
import type { PackedOutcomes, PackedRequests } from './packed-batch.ts';
import { packOutcomes, unpackRequests } from './packed-batch.ts';
import { serveThread } from './thread.ts';

/** How an attempt to open ended; 'busy' while another process reads an old state of the ledger. */
export type Opening = { readonly lastOrderId: bigint; readonly warnings: readonly string[] } | 'busy';

/** A committed batch, as it leaves the thread. */
export interface WriterAnswer {
  readonly outcomes: PackedOutcomes;
  readonly lastOrderId: bigint;
  /** Why the mark could not be written; P9 is weaker until it is. */
  readonly markError: string | undefined;
}

/** What the writer thread serves. */
export type WriterMethods = {
  open(_: undefined): Opening;
  commit(batch: PackedRequests): WriterAnswer;
  finishCheckpoint(_: undefined): void;
  close(_: undefined): void;
};

/** The one that writes the ledger's file. Everything here may wait for the disk. */
class Writer {
  readonly #files: LedgerFiles;
  #ledger: (OpenLedger & { readonly batches: BatchTransaction }) | undefined;

  constructor(files: LedgerFiles) {
    this.#files = files;
  }

  open(): Opening {
    this.#release();
    const ledger = openLedger(this.#files);
    if (!ledger) return 'busy';
    this.#ledger = { ...ledger, batches: new BatchTransaction(ledger.db) };
    return { lastOrderId: ledger.lastOrderId, warnings: ledger.warnings };
  }

  commit(batch: PackedRequests): WriterAnswer {
    const { batches, mark, ledgerId } = this.#opened();
    const { outcomes, lastOrderId } = batches.commit(unpackRequests(batch));
    let markError: string | undefined;
    try {
      mark.write({ ledgerId, lastOrderId });
    } catch (error) {
      // The batch is on disk all the same; what is weaker now is the guard against older copies.
      markError = String(error);
    }
    return { outcomes: packOutcomes(outcomes), lastOrderId, markError };
  }

  /** Ends what the checkpointer began. Little has come meanwhile, and then the WAL starts again. */
  finishCheckpoint(): void {
    const { db, mark } = this.#opened();
    checkpoint(db, 'PASSIVE');
    mark.sync();
  }

  close(): void {
    if (this.#ledger) {
      checkpoint(this.#ledger.db, 'TRUNCATE');
      this.#ledger.mark.sync();
    }
    this.#release();
  }

  #opened() {
    if (!this.#ledger) throw new Error('the ledger is not open');
    return this.#ledger;
  }

  #release(): void {
    const ledger = this.#ledger;
    this.#ledger = undefined;
    ledger?.mark.close();
    ledger?.db.close();
  }
}

const writer = new Writer(workerData as LedgerFiles);
serveThread({
  open: () => writer.open(),
  commit: (batch: PackedRequests) => writer.commit(batch),
  finishCheckpoint: () => writer.finishCheckpoint(),
  close: () => writer.close(),
} satisfies WriterMethods);
