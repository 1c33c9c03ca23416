import { closeSync, existsSync, fsyncSync, lstatSync, mkdirSync, openSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { LedgerRefused } from '../../errors.ts';

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
 * Finds the files of the ledger at `path` and makes its folder where it is missing. Symbolic links are
 * followed, so that every name of one ledger leads to the same lock; a file with several hard links is
 * refused, because its other names would not.
 *
 * The database is looked at by name only: closing any descriptor of it would drop the POSIX locks that
 * SQLite holds on it in this process (https://www.sqlite.org/howtocorrupt.html, section 2.2).
 */
export function locateLedger(path: string): LedgerFiles {
  const folder = makeFolder(dirname(resolve(path)));
  const database = followLinks(join(folder, basename(path)));
  if (existsSync(database)) {
    const stat = statSync(database);
    if (!stat.isFile()) throw new LedgerRefused(`${database} is not a file: --ledger must name the ledger's file`);
    if (stat.nlink > 1) {
      throw new LedgerRefused(
        `${database} has ${stat.nlink} hard links, and a server that uses another one would not be noticed: ` +
          'keep one name and make the others symbolic links',
      );
    }
  }
  return { database, lock: `${database}.lock`, mark: `${database}.mark` };
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

function makeFolder(folder: string): string {
  try {
    makeFolders(folder);
    if (!statSync(folder).isDirectory()) throw new Error('it is a file');
    return realpathSync(folder);
  } catch (error) {
    throw new LedgerRefused(
      `cannot use the folder ${folder} for the ledger (${reasonOf(error)}): choose a writable one with --ledger`,
    );
  }
}

/** One by one: mkdir's own `recursive` hides why a parent cannot be made, and in some places never ends. */
function makeFolders(folder: string): void {
  if (existsSync(folder)) return;
  const parent = dirname(folder);
  makeFolders(parent);
  mkdirSync(folder);
  syncFolder(parent);
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
