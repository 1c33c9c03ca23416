import { workerData } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import { checkpoint, openWriteConnection } from './connection.ts';
import type { LedgerFiles } from './ledger-files.ts';
import { serveThread } from './thread.ts';

/** Frames in the WAL, not yet in the database, from which a checkpoint is run: 4 MiB, SQLite's default. */
const LONG_WAL_FRAMES = 1000;
/** What may be left to the writer, which commits nothing while it moves it. */
const SHORT_WAL_FRAMES = 250;
/** Somebody's long reading, or a disk slower than the commits, ends the passes. */
const MAX_PASSES = 5;

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
    if (unmovedFrames(this.#db) < LONG_WAL_FRAMES) return false;
    // Each pass is shorter than the one before it, because less is committed meanwhile.
    for (let pass = 0; pass < MAX_PASSES && unmovedFrames(this.#db) >= SHORT_WAL_FRAMES; pass++) {
      checkpoint(this.#db, 'PASSIVE');
    }
    return true;
  }

  close(): void {
    this.#db?.close();
    this.#db = undefined;
  }
}

/** Frames that are only in the WAL. Those moved already stay there while somebody reads them: they do not count. */
function unmovedFrames(db: Database.Database): number {
  const { walFrames, checkpointedFrames } = checkpoint(db, 'NOOP');
  return walFrames - checkpointedFrames;
}

const checkpointer = new Checkpointer(workerData as LedgerFiles);
serveThread({
  checkpointIfLong: () => checkpointer.checkpointIfLong(),
  close: () => checkpointer.close(),
} satisfies CheckpointerMethods);
