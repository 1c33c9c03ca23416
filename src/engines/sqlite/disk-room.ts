import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { SqliteError } from 'better-sqlite3';
import type { LedgerFiles } from './ledger-files.ts';

/** About what an opening writes. */
const PROBE_BYTES = 64 * 1024;

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

function hasRoom({ database }: LedgerFiles): boolean {
  const probe = `${database}.probe-tmp`;
  try {
    const descriptor = openSync(probe, 'w');
    try {
      return writeSync(descriptor, Buffer.alloc(PROBE_BYTES)) === PROBE_BYTES;
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    return !isFullError(error);
  } finally {
    rmSync(probe, { force: true });
  }
}
