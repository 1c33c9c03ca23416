import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import { LedgerRefused, messageOf } from '../../../core/errors.ts';
import type { FileIdentity } from '../disk/held-files.ts';
import { identityOf } from '../disk/held-files.ts';
import type { LedgerFiles } from './ledger-files.ts';
import { keepOwner, requireWritable } from './owner.ts';

/**
 * The right to write a ledger, until {@link Fence.release} or the process's end. Keep it: one that is
 * garbage-collected is released.
 */
export interface Fence {
  /** The file that is locked; whoever finds another one at its name is not kept out. */
  readonly identity: FileIdentity;
  release(): void;
}

/**
 * Takes the one writer's right to a ledger (P8), or throws LedgerRefused where another process has it.
 *
 * The lock is SQLite's own exclusive lock on an empty file beside the ledger: the operating system drops
 * it with the process, even after kill -9, so it is never stale; and it holds on the file itself, by
 * whatever path that is reached. Readers do not use this file, so they go on.
 *
 * The file stays. If it is missing, `look` is called before it is created: what that refuses leaves none behind, beside
 * a file that is no ledger, for instance.
 */
export function takeFence(files: LedgerFiles, look: () => void = () => {}): Fence {
  if (!existsSync(files.lock)) look();
  let lock: Database.Database | undefined;
  requireWritable(files.lock);
  try {
    lock = new Database(files.lock, { timeout: 0 });
    // No journal file beside it: nothing is ever written.
    lock.pragma('journal_mode = MEMORY');
    lock.exec('BEGIN EXCLUSIVE');
    keepOwner(files.lock, files.database);
    const held = lock;
    return { identity: identityOf(files.lock), release: () => void held.close() };
  } catch (error) {
    lock?.close();
    if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')) {
      throw new LedgerRefused(
        `${files.database} is in use by another order-numbers process: stop that one first, or name another ledger`,
      );
    }
    throw new LedgerRefused(
      `cannot make the lock file ${files.lock} (${messageOf(error)}): the folder must be writable, or choose another with --ledger`,
    );
  }
}
