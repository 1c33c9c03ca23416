import type Database from 'better-sqlite3';
import type { Base, HighWaterMark } from './high-water-mark.ts';
import type { LedgerFiles } from './ledger-files.ts';
import { requireLedgerRow } from './ledger-row.ts';
import { readWalHeader } from './wal-file.ts';

/** What `PRAGMA wal_checkpoint` answers: frames in the WAL, and how many of them are in the database. */
export interface CheckpointResult {
  readonly busy: boolean;
  readonly walFrames: number;
  readonly checkpointedFrames: number;
}

/**
 * Runs one checkpoint (https://www.sqlite.org/pragma.html#pragma_wal_checkpoint): NOOP only counts,
 * PASSIVE waits for no lock, TRUNCATE ends with an empty WAL unless it is busy.
 */
export function checkpoint(db: Database.Database, mode: 'NOOP' | 'PASSIVE' | 'TRUNCATE'): CheckpointResult {
  const [row] = db.pragma(`wal_checkpoint(${mode})`) as [{ busy: bigint; log: bigint; checkpointed: bigint }];
  return { busy: row.busy !== 0n, walFrames: Number(row.log), checkpointedFrames: Number(row.checkpointed) };
}

/**
 * One durable transaction that changes nothing but the generation, which tells two states with the same last order_id
 * apart. It is SQLite's own schema_version, whose changes every connection notices.
 */
export function raiseGeneration(db: Database.Database): void {
  // SQLite protects it against being set by mistake.
  db.unsafeMode(true);
  try {
    db.exec(`PRAGMA schema_version = ${readGeneration(db) + 1}`);
  } finally {
    db.unsafeMode(false);
  }
}

export function readGeneration(db: Database.Database): number {
  return Number(db.pragma('schema_version', { simple: true }));
}

/**
 * Moves the content of the WAL into the database. If that was all of it, the mark says so, on disk, before this returns
 * true; then the WAL may restart. The last change must have given an order_id or raised the generation.
 */
export function completeCheckpoint(db: Database.Database, files: LedgerFiles, mark: HighWaterMark): boolean {
  // Read before: what others commit meanwhile need not be in the database.
  const base = readBaseNow(db, files);
  const { busy, walFrames, checkpointedFrames } = checkpoint(db, 'PASSIVE');
  const isComplete = !busy && walFrames === checkpointedFrames;
  if (isComplete) mark.recordBase(base);
  else mark.sync();
  return isComplete;
}

/** The base of a database that holds everything that this connection sees. */
export function readBaseNow(db: Database.Database, files: LedgerFiles): Base {
  const { ledgerId, lastOrderId } = requireLedgerRow(db, 'put a good copy back');
  const pages = Number(db.pragma('page_count', { simple: true }));
  return {
    ledgerId,
    lastOrderId,
    generation: readGeneration(db),
    bytes: pages * Number(db.pragma('page_size', { simple: true })),
    salts: readWalHeader(files.wal)?.salts,
  };
}
