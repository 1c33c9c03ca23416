import { workerData } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import { checkpoint } from '../file/checkpoint.ts';
import { openWriteConnection } from '../file/connection.ts';
import type { LedgerFiles } from '../file/ledger-files.ts';
import { serveThread } from './thread.ts';

/**
 * A checkpoint runs when the WAL has this many frames of 4 KiB that are not yet in the database: 31 MiB. Batches write the same
 * pages again and again, but a checkpoint writes each page once, so a long WAL saves most of these writes. Recovering it
 * after a kill takes a fraction of a second.
 */
const LONG_WAL_FRAMES = 8000;
/** The most that the writer moves itself, while it commits nothing: about as many as a large batch writes. */
const SHORT_WAL_FRAMES = 1000;

/** The methods of the checkpointer thread. */
export type CheckpointerMethods = {
  /** Whether the WAL is so long that a checkpoint is due. */
  isWalLong(_: undefined): boolean;
  /** Moves what the writer lets it move. Returns whether little enough is left for the writer. */
  pass(_: undefined): boolean;
  close(_: undefined): void;
};

/**
 * Moves the WAL into the database while the writer goes on committing. It writes no ledger row, and the fsync of the
 * database, which may take long, holds up no commit. Opens on first use.
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

/** The number of frames in the WAL only. Frames that were moved do not count; they stay there while they are read. */
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
