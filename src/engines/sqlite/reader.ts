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
  open(_: undefined): void;
  listAllocations(page: AllocationPage): Allocation[];
  close(_: undefined): void;
};

/** The one that reads, so that reads wait neither for commits nor for checkpoints. */
class Reader {
  readonly #files: LedgerFiles;
  #connection: { db: Database.Database; page: Database.Statement<[bigint, number], AllocationRow> } | undefined;

  constructor(files: LedgerFiles) {
    this.#files = files;
  }

  open(): void {
    const db = openReadConnection(this.#files.database);
    const page = db.prepare<[bigint, number], AllocationRow>(
      'SELECT * FROM allocations WHERE order_id > ? ORDER BY order_id LIMIT ?',
    );
    this.#connection = { db, page };
  }

  listAllocations({ afterOrderId, limit }: AllocationPage): Allocation[] {
    if (!this.#connection) throw new Error('the ledger is not open');
    return this.#connection.page.all(afterOrderId, limit).map(toAllocation);
  }

  close(): void {
    this.#connection?.db.close();
    this.#connection = undefined;
  }
}

const reader = new Reader(workerData as LedgerFiles);
serveThread({
  open: () => reader.open(),
  listAllocations: (page: AllocationPage) => reader.listAllocations(page),
  close: () => reader.close(),
} satisfies ReaderMethods);
