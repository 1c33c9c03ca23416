import { workerData } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import type { Allocation } from '../../allocation.ts';
import { openReadConnection } from './connection.ts';
import type { LedgerFiles } from './ledger-files.ts';
import type { AllocationRow } from './rows.ts';
import { toAllocation } from './rows.ts';
import { serveThread } from './thread.ts';

/** Which allocations to read: those above `afterOrderId`, `limit` at most. */
export interface AllocationPage {
  readonly afterOrderId: bigint;
  readonly limit: number;
}

/** What the reader thread serves. */
export type ReaderMethods = {
  listAllocations(page: AllocationPage): Allocation[];
  close(_: undefined): void;
};

/** The one that reads, so that reads wait neither for commits nor for checkpoints. Opens at its first read. */
class Reader {
  readonly #files: LedgerFiles;
  #db: Database.Database | undefined;

  constructor(files: LedgerFiles) {
    this.#files = files;
  }

  listAllocations({ afterOrderId, limit }: AllocationPage): Allocation[] {
    this.#db ??= openReadConnection(this.#files.database);
    return this.#db
      .prepare<[bigint, number], AllocationRow>(
        'SELECT * FROM allocations WHERE order_id > ? ORDER BY order_id LIMIT ?',
      )
      .all(afterOrderId, limit)
      .map(toAllocation);
  }

  close(): void {
    this.#db?.close();
    this.#db = undefined;
  }
}

const reader = new Reader(workerData as LedgerFiles);
serveThread({
  listAllocations: (page: AllocationPage) => reader.listAllocations(page),
  close: () => reader.close(),
} satisfies ReaderMethods);
