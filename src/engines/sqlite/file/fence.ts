import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import { LedgerRefused, messageOf } from '../../../core/errors.ts';
import type { FileIdentity } from '../disk/held-files.ts';
import { identityOf } from '../disk/held-files.ts';
import type { ExclusiveLock } from './exclusive-lock.ts';
import { lockExclusively } from './exclusive-lock.ts';
import type { LedgerFiles } from './ledger-files.ts';
import { keepOwner, requireWritable } from './owner.ts';

/** Readers of a ledger may ask whether it is in use. */
const LOCK_MODE = 0o644;

/**
 * The right to write a ledger, until {@link Fence.release} or the end of the process. Keep a reference: garbage
 * collection releases it.
 */
export interface Fence {
  /** The locked file. It keeps out only processes that find this same file at its name. */
  readonly identity: FileIdentity;
  release(): void;
}

/**
 * Takes the right to be the one writer of a ledger (P8). Throws LedgerRefused if another process has it.
 *
 * It is a lock on an empty file beside the ledger. Readers do not use this file and are not affected.
 *
 * The file stays. If it is missing, `check` is called before it is created, so that a refusal leaves no lock file
 * beside a file that is not a ledger, for instance.
 */
export function takeFence(files: LedgerFiles, check: () => void = () => {}): Fence {
  if (!existsSync(files.lock)) check();
  requireWritable(files.lock);
  let lock: ExclusiveLock | undefined;
  try {
    lock = lockExclusively(files.lock, LOCK_MODE);
    if (!lock) throw inUse(files);
    keepOwner(files.lock, files.database);
    return { identity: identityOf(files.lock), release: lock.release };
  } catch (error) {
    lock?.release();
    if (error instanceof LedgerRefused) throw error;
    throw new LedgerRefused(
      `cannot create the lock file ${files.lock} (${messageOf(error)}); make its folder writable, or choose another with --ledger`,
    );
  }
}

/** The refusal if another process has the right. */
export function inUse({ database }: LedgerFiles): LedgerRefused {
  return new LedgerRefused(
    `${database} is in use by another order-numbers process; stop that one first, or name another ledger`,
  );
}

/**
 * Whether a process has the right to write now. Nothing is created or changed: this only asks for SQLite's shared lock,
 * and gives it back at once.
 */
export function isFenced({ lock }: LedgerFiles): boolean {
  if (!existsSync(lock)) return false;
  let db: Database.Database | undefined;
  try {
    db = new Database(lock, { readonly: true, fileMustExist: true, timeout: 0 });
    db.prepare('SELECT 1 FROM sqlite_schema').get();
    return false;
  } catch (error) {
    return error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY');
  } finally {
    db?.close();
  }
}
