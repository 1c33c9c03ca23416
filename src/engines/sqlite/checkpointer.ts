import { workerData } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import { checkpoint, openWriteConnection } from './connection.ts';
import type { LedgerFiles } from './ledger-files.ts';
import { serveThread } from './thread.ts';

/** What the checkpointer thread serves. */
export type CheckpointerMethods = {
  open(_: undefined): void;
  checkpoint(_: undefined): void;
  close(_: undefined): void;
};

/**
 * The one that moves the WAL into the database while the writer goes on committing: it writes no ledger
 * row, and the fsync of the database, which may be long, stops nobody.
 */
class Checkpointer {
  readonly #files: LedgerFiles;
  #db: Database.Database | undefined;

  constructor(files: LedgerFiles) {
    this.#files = files;
  }

  open(): void {
    this.#db = openWriteConnection(this.#files.database);
  }

  checkpoint(): void {
    if (!this.#db) throw new Error('the ledger is not open');
    checkpoint(this.#db, 'PASSIVE');
  }

  close(): void {
    this.#db?.close();
    this.#db = undefined;
  }
}

const checkpointer = new Checkpointer(workerData as LedgerFiles);
serveThread({
  open: () => checkpointer.open(),
  checkpoint: () => checkpointer.checkpoint(),
  close: () => checkpointer.close(),
} satisfies CheckpointerMethods);
