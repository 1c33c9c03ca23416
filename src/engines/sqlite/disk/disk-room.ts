import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { SqliteError } from 'better-sqlite3';
import type { LedgerFiles } from '../file/ledger-files.ts';

/** Roughly what an opening writes. */
const PROBE_BYTES = 64 * 1024;
/** Roughly what a large batch writes. */
const BATCH_BYTES = 2 ** 20;

/**
 * Whether the disk of the ledger has no room, or no quota, left. SQLite reports SQLITE_FULL only for the first, and not
 * for every file. In the other cases a small file beside the ledger is written as a test.
 */
export function isDiskFull(error: unknown, files: LedgerFiles): boolean {
  if (isFullError(error)) return true;
  const isUnclear = error instanceof SqliteError && /^SQLITE_(IOERR_(WRITE|SHM|TRUNCATE)|CANTOPEN)/.test(error.code);
  return isUnclear && !hasRoom(files);
}

function isFullError(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false;
  return error.code === 'SQLITE_FULL' || error.code === 'ENOSPC' || error.code === 'EDQUOT';
}

/** Throws the disk's own error if a batch has no room beside the ledger. */
export function requireRoom(files: LedgerFiles): void {
  probe(files, BATCH_BYTES);
}

function hasRoom(files: LedgerFiles): boolean {
  try {
    probe(files, PROBE_BYTES);
    return true;
  } catch (error) {
    return !isFullError(error);
  }
}

function probe({ database }: LedgerFiles, bytes: number): void {
  const path = `${database}.probe-tmp`;
  try {
    const descriptor = openSync(path, 'w');
    try {
      // The last write before the disk is full may be short.
      for (let left = bytes; left > 0;) left -= writeSync(descriptor, Buffer.alloc(left));
    } finally {
      closeSync(descriptor);
    }
  } finally {
    rmSync(path, { force: true });
  }
}
