import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { SqliteError } from 'better-sqlite3';
import type { LedgerFiles } from '../file/ledger-files.ts';

/** About what an opening writes. */
const PROBE_BYTES = 64 * 1024;
/** About what a large batch writes. */
const BATCH_BYTES = 2 ** 20;

/**
 * Whether there is no room, or no quota left, on the disk of the ledger. SQLite says so by SQLITE_FULL only for the first,
 * and not for every file: where it does not, a small file beside the ledger is tried.
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

/** Throws as the disk does if a batch has no room beside the ledger. */
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
      // The last write before the disk is full may be a short one.
      for (let left = bytes; left > 0;) left -= writeSync(descriptor, Buffer.alloc(left));
    } finally {
      closeSync(descriptor);
    }
  } finally {
    rmSync(path, { force: true });
  }
}
