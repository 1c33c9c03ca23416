import { workerData } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import { checkpoint, openWriteConnection } from './connection.ts';
import type { LedgerFiles } from './ledger-files.ts';
import { serveThread } from './thread.ts';

/** Frames in the WAL, not yet in the database, from which a checkpoint is run: 4 MiB, SQLite's default. */
const LONG_WAL_FRAMES = 1000;

/** What the checkpointer thread serves. */
export type CheckpointerMethods = {
  /** Answers whether the WAL was long, so that something was moved. */
  checkpointIfLong(_: undefined): boolean;
  close(_: undefined): void;
};

/**
 * The one that moves the WAL into the database while the writer goes on committing: it writes no ledger
 * row, and the fsync of the database, which may be long, stops nobody. Opens at its first look.
 */
class Checkpointer {
  readonly #files: LedgerFiles;
  #db: Database.Database | undefined;

  constructor(files: LedgerFiles) {
    this.#files = files;
  }

  checkpointIfLong(): boolean {
    this.#db ??= openWriteConnection(this.#files.database);
    const { walFrames, checkpointedFrames } = checkpoint(this.#db, 'NOOP');
    // Frames already moved stay in the WAL while somebody else reads them: they do not count again.
    if (walFrames - checkpointedFrames < LONG_WAL_FRAMES) return false;
    checkpoint(this.#db, 'PASSIVE');
    return true;
  }

  close(): void {
    this.#db?.close();
    this.#db = undefined;
  }
}

const checkpointer = new Checkpointer(workerData as LedgerFiles);
serveThread({
  checkpointIfLong: () => checkpointer.checkpointIfLong(),
  close: () => checkpointer.close(),
} satisfies CheckpointerMethods);
