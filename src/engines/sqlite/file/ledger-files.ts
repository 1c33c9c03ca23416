import { closeSync, existsSync, fsyncSync, lstatSync, openSync, realpathSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { LedgerRefused } from '../../../core/errors.ts';
import { requireNoMountPoint } from './mount-points.ts';

/** The files of one ledger, all in one folder. */
export interface LedgerFiles {
  /** The SQLite database itself, by its real path. Never opened with `fs`: see {@link locateLedger}. */
  readonly database: string;
  /** Held locked by the one process that may write. */
  readonly lock: string;
  /** The high-water mark. */
  readonly mark: string;
}

/**
 * Finds the files of the ledger at `path`. Its folder must exist: a missing one is mostly a disk that is not mounted,
 * or a mistyped path. Symbolic links are followed, so that every name of one ledger leads to the same lock; a file with several hard links is
 * refused, because its other names would not, and so is one that is mounted alone.
 *
 * The database is looked at by name only: closing any descriptor of it would drop the POSIX locks that
 * SQLite holds on it in this process (https://www.sqlite.org/howtocorrupt.html, section 2.2).
 */
export function locateLedger(path: string): LedgerFiles {
  const folder = realFolder(dirname(resolve(path)));
  const database = followLinks(join(folder, basename(path)));
  requireWholeName(database);
  if (existsSync(database)) {
    const found = statSync(database);
    if (!found.isFile()) throw new LedgerRefused(`${database} is not a file: --ledger must name the ledger's file`);
    if (found.nlink > 1) {
      throw new LedgerRefused(
        `${database} has ${found.nlink} hard links, and a server that uses another one would not be noticed: ` +
          'keep one name and make the others symbolic links',
      );
    }
  }
  const files = filesOf(database);
  requireNoMountPoint(files);
  return files;
}

/** The files of the ledger whose database has this real path. */
export function filesOf(database: string): LedgerFiles {
  return { database, lock: `${database}.lock`, mark: `${database}.mark` };
}

/** In bytes. */
export interface FileSizes {
  readonly database: number;
  readonly wal: number;
}

export async function fileSizes({ database }: LedgerFiles): Promise<FileSizes> {
  const [{ size }, wal] = await Promise.all([stat(database), stat(`${database}-wal`).catch(() => ({ size: 0 }))]);
  return { database: size, wal: wal.size };
}

/** Throws LedgerRefused for a name of which SQLite would open another: it leaves out white space at the end. */
export function requireWholeName(path: string): void {
  if (path === path.trimEnd()) return;
  throw new LedgerRefused(
    `SQLite cannot open ${JSON.stringify(path)}: its name ends with white space; rename the file`,
  );
}

/** Puts the entries of a folder on disk: a new file whose name is lost in a power cut is lost itself. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function realFolder(folder: string): string {
  try {
    if (!statSync(folder).isDirectory()) throw new Error('it is a file');
    return realpathSync(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new LedgerRefused(
        `there is no folder ${folder} for the ledger: mount its disk, correct --ledger, or create it with mkdir -p`,
      );
    }
    throw new LedgerRefused(
      `cannot use the folder ${folder} for the ledger (${reasonOf(error)}): choose a writable one with --ledger`,
    );
  }
}

function followLinks(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) {
    throw new LedgerRefused(
      `${path} is a symbolic link to a file that is not there: put the ledger back or remove the link`,
    );
  }
  return path;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
