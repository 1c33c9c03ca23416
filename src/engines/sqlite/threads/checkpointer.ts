import { workerData } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import { checkpoint } from '../file/checkpoint.ts';
import { openWriteConnection } from '../file/connection.ts';
import type { LedgerFiles } from '../file/ledger-files.ts';
import { serveThread } from './thread.ts';

/** Frames in the WAL, not yet in the database, from which a checkpoint is run: 4 MiB, SQLite's default. */
const LONG_WAL_FRAMES = 1000;
/** What may be left to the writer, which commits nothing while it moves it. */
const SHORT_WAL_FRAMES = 250;

/** What the checkpointer thread serves. */
export type CheckpointerMethods = {
  /** Whether there is so much in the WAL that a checkpoint is due. */
  isWalLong(_: undefined): boolean;
  /** Moves what the writer lets it move; answers whether little enough is left for the writer. */
  pass(_: undefined): boolean;
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

  isWalLong(): boolean {
    return unmovedFrames(this.#opened()) >= LONG_WAL_FRAMES;
  }

  pass(): boolean {
    const db = this.#opened();
    checkpoint(db, 'PASSIVE');
    return unmovedFrames(db) < SHORT_WAL_FRAMES;
  }

  close(): void {
    this.#db?.close();
    this.#db = undefined;
  }

  #opened(): Database.Database {
    return (this.#db ??= openWriteConnection(this.#files.database));
  }
}

/** Frames that are only in the WAL. Those moved already stay there while somebody reads them: they do not count. */
function unmovedFrames(db: Database.Database): number {
  const { walFrames, checkpointedFrames } = checkpoint(db, 'NOOP');
  return walFrames - checkpointedFrames;
}

const checkpointer = new Checkpointer(workerData as LedgerFiles);
serveThread({
  isWalLong: () => checkpointer.isWalLong(),
  pass: () => checkpointer.pass(),
  close: () => checkpointer.close(),
} satisfies CheckpointerMethods);
