import { workerData } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import type { Allocation } from '../../../core/allocation.ts';
import type { AllocationKey, AllocationRange, LedgerEnd, StoreRange } from '../../../core/ledger.ts';
import type { Store } from '../../../core/store.ts';
import { openReadConnection } from '../file/connection.ts';
import type { LedgerFiles } from '../file/ledger-files.ts';
import { Queries } from '../statements/queries.ts';
import { serveThread } from './thread.ts';

/** The methods of the reader thread: the reads of Ledger. */
export type ReaderMethods = {
  end(_: undefined): LedgerEnd;
  getStore(storeId: bigint): Store | undefined;
  listStores(range: StoreRange): Store[];
  getAllocation(key: AllocationKey): Allocation | undefined;
  listAllocations(range: AllocationRange): Allocation[];
  close(_: undefined): void;
};

/**
 * Reads on a thread of its own, so that reads wait neither for commits nor for checkpoints. Opens at its first read.
 */
class Reader {
  readonly #files: LedgerFiles;
  #open: { readonly db: Database.Database; readonly queries: Queries } | undefined;

  constructor(files: LedgerFiles) {
    this.#files = files;
  }

  get queries(): Queries {
    if (!this.#open) {
      const db = openReadConnection(this.#files.database);
      try {
        this.#open = { db, queries: new Queries(db) };
      } catch (error) {
        db.close();
        throw error;
      }
    }
    return this.#open.queries;
  }

  close(): void {
    this.#open?.db.close();
    this.#open = undefined;
  }
}

const reader = new Reader(workerData as LedgerFiles);
serveThread({
  end: () => reader.queries.end(),
  getStore: (storeId: bigint) => reader.queries.getStore(storeId),
  listStores: (range: StoreRange) => reader.queries.listStores(range),
  getAllocation: (key: AllocationKey) => reader.queries.getAllocation(key),
  listAllocations: (range: AllocationRange) => reader.queries.listAllocations(range),
  close: () => reader.close(),
} satisfies ReaderMethods);
