import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { LedgerFiles } from './ledger-files.ts';

/** What a file is, whatever its name: device and inode. Undefined if no file has the name. */
export type FileIdentity = string | undefined;

/** Looks a name up. The file is never opened: see {@link locateLedger}. */
export function identityOf(path: string): FileIdentity {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}`;
}

/** The files of an open ledger are no longer at their names: what is committed now may be lost or seen by nobody. */
export class HeldFilesChanged extends Error {
  override readonly name = 'HeldFilesChanged';
}

/**
 * The files that this process holds open, to be compared with what their names lead to. A file system lets anybody
 * rename and remove an open file; the process then goes on with a file that nobody else finds, beside a second server
 * that numbers from the beginning (https://www.sqlite.org/howtocorrupt.html, section 2.4).
 */
export class HeldFiles {
  readonly #files: LedgerFiles;
  readonly #lock: FileIdentity;
  #database: FileIdentity;
  #wasOpened = false;
  #wal: FileIdentity;
  #shm: FileIdentity;

  /** `lock` is what the fence has locked. */
  constructor(files: LedgerFiles, lock: FileIdentity) {
    this.#files = files;
    this.#lock = lock;
  }

  /**
   * To be called before the database is opened. From the first opening on it must be there, with something in it:
   * otherwise opening would create one, which numbers from the beginning.
   */
  beforeOpening(): void {
    this.#wal = undefined;
    this.#shm = undefined;
    if (!this.#wasOpened) {
      this.#database = identityOf(this.#files.database);
      return;
    }
    this.requireSame();
    if (statSync(this.#files.database).size > 0) return;
    throw new HeldFilesChanged(`${this.#files.database} was emptied while it was open: ${PUT_BACK}`);
  }

  /** To be called right after the database was opened. */
  afterOpening(): void {
    const { database } = this.#files;
    const now = identityOf(database);
    // In a layer of an overlay file system a file may become another one when it is opened for writing.
    const isFirst = !this.#wasOpened;
    if (isFirst && (this.#database === undefined || isOpenHere(now))) this.#database = now;
    this.requireSame();
    this.#wasOpened = true;
    this.#wal = identityOf(`${database}-wal`);
    this.#shm = identityOf(`${database}-shm`);
  }

  /** What every commit depends on. Throws {@link HeldFilesChanged}. */
  requireSame(): void {
    const { database, lock } = this.#files;
    if (identityOf(database) !== this.#database) throw changed(database, PUT_BACK);
    if (this.#wal !== undefined && identityOf(`${database}-wal`) !== this.#wal) {
      throw changed(`${database}-wal`, 'never touch it while a server runs; start the server again');
    }
    if (identityOf(lock) !== this.#lock) {
      throw changed(lock, 'a second server could start on this ledger; stop that one, then start this one again');
    }
  }

  /** The same and the -shm, without which another process sees another WAL. */
  requireAllSame(): void {
    this.requireSame();
    const shm = `${this.#files.database}-shm`;
    if (this.#shm !== undefined && identityOf(shm) !== this.#shm) {
      throw changed(shm, 'never touch it while a server runs; start the server again');
    }
  }
}

/** Whether this process has the file open, as far as Linux tells. Looked at by name: nothing is opened or closed. */
function isOpenHere(file: FileIdentity): boolean {
  const folder = '/proc/self/fd';
  if (!existsSync(folder)) return false;
  return readdirSync(folder).some((descriptor) => identityOf(join(folder, descriptor)) === file);
}

const PUT_BACK = 'put the ledger back, with its -wal file, and start the server again';

function changed(path: string, remedy: string): HeldFilesChanged {
  const folder = dirname(path);
  const what = existsSync(path)
    ? `another file was put in the place of ${path}`
    : existsSync(folder)
      ? `${path} was moved or removed`
      : `the folder ${folder} was moved or removed`;
  return new HeldFilesChanged(`${what} while it was open, and nothing is numbered any more: ${remedy}`);
}
