import { existsSync, lstatSync, realpathSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { LedgerRefused, messageOf } from '../../../core/errors.ts';
import { requireNoMountPoint } from './mount-points.ts';

/** What SQLite keeps beside a database, by what follows its name. */
const OF_SQLITE = { wal: '-wal', shm: '-shm', journal: '-journal' };
/** What this program keeps beside it. */
const OF_LEDGER = { lock: '.lock', mark: '.mark' };
/** The database and its SQLite companions. They move together only: SQLite writes a WAL into any database beside it. */
export const DATABASE_SUFFIXES: readonly string[] = ['', ...Object.values(OF_SQLITE)];
/** Every suffix of a file that may stand beside a database. */
export const COMPANION_SUFFIXES: readonly string[] = [...Object.values(OF_SQLITE), ...Object.values(OF_LEDGER)];

/** The files of one ledger, all in one folder. */
export interface LedgerFiles {
  /** Real path of the SQLite database itself. Never opened with `fs`: see {@link locateLedger}. */
  readonly database: string;
  /** SQLite's write-ahead log. */
  readonly wal: string;
  /** SQLite's index of it, shared by all processes that have the database open. */
  readonly shm: string;
  /** Kept locked by the one process that may write. */
  readonly lock: string;
  /** The high-water mark. */
  readonly mark: string;
}

/**
 * Finds the files of the ledger at `path`. Its folder must exist: a missing folder usually means an unmounted disk or a
 * mistyped path. Symbolic links are followed, so that every name of a ledger leads to the same lock. A file with
 * several hard links is refused, because its other names would not lead there, and so is one mounted as a single file.
 *
 * The database is looked up by name only: closing any descriptor of it would drop the POSIX locks that SQLite holds on
 * it in this process (https://www.sqlite.org/howtocorrupt.html, section 2.2).
 */
export function locateLedger(path: string): LedgerFiles {
  const folder = realFolder(dirname(resolve(path)));
  const database = followLinks(join(folder, basename(path)));
  requireWholeName(database);
  if (existsSync(database)) {
    const found = statSync(database);
    if (!found.isFile()) throw new LedgerRefused(`${database} is not a file; --ledger must name the ledger's file`);
    if (found.nlink > 1) {
      throw new LedgerRefused(
        `${database} has ${found.nlink} hard links, and a server that uses another one would not be detected; ` +
          'keep one name and replace the others by symbolic links',
      );
    }
  }
  const files = filesOf(database);
  requireNoMountPoint(Object.values(files));
  return files;
}

/** The real path of the ledger or backup at `path`, which must exist; nothing is created. */
export function findLedger(path: string): string {
  if (path === '') throw new LedgerRefused('the path of the ledger or backup is empty; name its file');
  if (!existsSync(path)) throw new LedgerRefused(`${path} does not exist; name the file of a ledger`);
  const real = realpathSync(path);
  requireWholeName(real);
  if (!statSync(real).isFile()) throw new LedgerRefused(`${real} is not a file; name the file of a ledger`);
  return real;
}

/** The files of the ledger whose database has this real path. */
export function filesOf(database: string): LedgerFiles {
  return {
    database,
    wal: database + OF_SQLITE.wal,
    shm: database + OF_SQLITE.shm,
    lock: database + OF_LEDGER.lock,
    mark: database + OF_LEDGER.mark,
  };
}

/** The existing files of the ledger that `path` is one of. */
export function existingFilesBeside(path: string): string[] {
  const suffix = COMPANION_SUFFIXES.find((end) => path.endsWith(end)) ?? '';
  const database = path.slice(0, path.length - suffix.length);
  return ['', ...COMPANION_SUFFIXES].map((end) => database + end).filter((file) => existsSync(file));
}

/** The name of a copy that is still being made, of a ledger that moves to the file with this real path. */
export function unfinishedNameOf(database: string): string {
  return `${database}.moving`;
}

/** Removes an unused database, with what SQLite may have left beside it. */
export function removeDatabase(path: string): void {
  for (const suffix of DATABASE_SUFFIXES) rmSync(path + suffix, { force: true });
}

/** Throws LedgerRefused for a name that ends in white space: SQLite drops that, and would open another file. */
function requireWholeName(path: string): void {
  if (path === path.trimEnd()) return;
  throw new LedgerRefused(
    `SQLite cannot open ${JSON.stringify(path)}: its name ends with white space; rename the file`,
  );
}

function realFolder(folder: string): string {
  try {
    if (!statSync(folder).isDirectory()) throw new Error('it is a file');
    return realpathSync(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new LedgerRefused(
        `the folder ${folder} of the ledger does not exist; mount its disk, correct --ledger, or create it with mkdir -p`,
      );
    }
    throw new LedgerRefused(
      `cannot use the folder ${folder} for the ledger (${messageOf(error)}); choose a writable one with --ledger`,
    );
  }
}

function followLinks(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) {
    throw new LedgerRefused(
      `${path} is a symbolic link to a file that does not exist; put the ledger back or remove the link`,
    );
  }
  return path;
}
