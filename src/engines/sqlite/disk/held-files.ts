import type { BigIntStats } from 'node:fs';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readWithoutWal } from '../recovery/database-without-wal.ts';
import { readBase } from '../file/high-water-mark.ts';
import type { LedgerFiles } from '../file/ledger-files.ts';

/** What identifies a file under any name: device and inode. Undefined if the name has no file. */
export type FileIdentity = string | undefined;

/** Looks up a name. Never opens the file: see {@link locateLedger}. */
export function identityOf(path: string): FileIdentity {
  return identityIn(statSync(path, { bigint: true, throwIfNoEntry: false }));
}

function identityIn(stat: BigIntStats | undefined): FileIdentity {
  return stat && `${stat.dev}:${stat.ino}`;
}

/** The files of an open ledger are no longer at their names: further commits may be lost or invisible to others. */
export class HeldFilesChanged extends Error {
  override readonly name = 'HeldFilesChanged';
}

/**
 * The files that this process holds open, compared with those that their names lead to. An open file can be renamed and
 * removed. The process then continues with a file that no other process finds, beside a second server that numbers from
 * the beginning (https://www.sqlite.org/howtocorrupt.html, section 2.4).
 */
export class HeldFiles {
  readonly #files: LedgerFiles;
  readonly #lock: FileIdentity;
  #database: FileIdentity;
  #wasOpened = false;
  #wal: FileIdentity;
  #shm: FileIdentity;
  /** Length of the database and the time of its last write; undefined while a checkpoint writes it. */
  #written: string | undefined;
  #isOverwritten = false;

  /** `lock` identifies the file that the fence has locked. */
  constructor(files: LedgerFiles, lock: FileIdentity) {
    this.#files = files;
    this.#lock = lock;
  }

  /**
   * Call this before opening the database. From the first opening on, the file must exist and not be empty. Otherwise
   * opening would create a ledger that numbers from the beginning.
   */
  beforeOpening(): void {
    this.#wal = undefined;
    this.#shm = undefined;
    this.#written = undefined;
    if (!this.#wasOpened) {
      this.#database = identityOf(this.#files.database);
      return;
    }
    this.requireSame();
    if (statSync(this.#files.database).size > 0) return;
    throw new HeldFilesChanged(`${this.#files.database} was emptied while it was open; ${PUT_BACK}`);
  }

  /** Call this right after opening the database. */
  afterOpening(): void {
    const { database, wal, shm } = this.#files;
    const now = identityOf(database);
    // In an overlay file system, opening a file for writing may replace it by another one.
    const isFirst = !this.#wasOpened;
    if (isFirst && (this.#database === undefined || isOpenHere(now))) this.#database = now;
    this.requireSame();
    this.#wasOpened = true;
    this.#wal = identityOf(wal);
    this.#shm = identityOf(shm);
    this.afterCheckpoint();
  }

  /** Call this before a checkpoint, the only thing that writes the database. */
  beforeCheckpoint(): void {
    this.#written = undefined;
  }

  afterCheckpoint(): void {
    this.#written = writtenIn(statSync(this.#files.database, { bigint: true }));
  }

  /** Checks what every commit depends on. Throws {@link HeldFilesChanged}. */
  requireSame(): void {
    const { database, wal, lock } = this.#files;
    const stat = statSync(database, { bigint: true, throwIfNoEntry: false });
    if (!stat || identityIn(stat) !== this.#database) throw changed(database, PUT_BACK);
    this.#requireNotOverwritten(stat);
    if (this.#wal !== undefined && identityOf(wal) !== this.#wal) {
      throw changed(wal, 'start the server again, and never touch this file while a server runs');
    }
    if (identityOf(lock) !== this.#lock) {
      throw changed(lock, 'stop any second server that started on this ledger, then start this one again');
    }
  }

  /** Whether another database was found in the place of this one: nothing must be moved into it. */
  get isOverwritten(): boolean {
    return this.#isOverwritten;
  }

  /** Checks what moving the WAL into the database depends on. Throws {@link HeldFilesChanged}. */
  requireNotOverwritten(): void {
    const stat = statSync(this.#files.database, { bigint: true, throwIfNoEntry: false });
    if (stat) this.#requireNotOverwritten(stat);
  }

  /**
   * Another process that writes the database is either a checkpoint by the sqlite3 shell or a copy put over it, which
   * keeps device and inode. A copy is older than what the last checkpoint left, or half written.
   */
  #requireNotOverwritten(stat: BigIntStats): void {
    if (this.#written === undefined || writtenIn(stat) === this.#written) return;
    const { database, mark } = this.#files;
    const base = readBase(mark);
    const withoutWal = readWithoutWal(database);
    const isSame =
      typeof withoutWal === 'object' &&
      (base === undefined ||
        (withoutWal.ledgerId === base.ledgerId &&
          BigInt(withoutWal.lastOrderId) >= base.lastOrderId &&
          withoutWal.generation >= base.generation &&
          stat.size >= base.bytes));
    if (!isSame) {
      this.#isOverwritten = true;
      throw new HeldFilesChanged(
        `${database} was overwritten while it was open, so numbering has stopped; ${PUT_BACK}`,
      );
    }
    this.#written = writtenIn(stat);
  }

  /** If the files have changed, that explains any other error. */
  explain(error: unknown): unknown {
    try {
      this.requireSame();
      return error;
    } catch (change) {
      return change instanceof HeldFilesChanged ? change : error;
    }
  }

  /** The same for the -shm file as well, without which another process sees another WAL. */
  requireAllSame(): void {
    this.requireSame();
    const { shm } = this.#files;
    if (this.#shm !== undefined && identityOf(shm) !== this.#shm) {
      throw changed(shm, 'start the server again, and never touch this file while a server runs');
    }
  }
}

/** Whether this process has the file open; known on Linux only. Looks at names, and opens and closes nothing. */
function isOpenHere(file: FileIdentity): boolean {
  const folder = '/proc/self/fd';
  if (!existsSync(folder)) return false;
  return readdirSync(folder).some((descriptor) => identityOf(join(folder, descriptor)) === file);
}

function writtenIn({ size, mtimeNs }: BigIntStats): string {
  return `${size} ${mtimeNs}`;
}

const PUT_BACK = 'put the ledger back, with its -wal file, and start the server again';

function changed(path: string, remedy: string): HeldFilesChanged {
  const folder = dirname(path);
  const what = existsSync(path)
    ? `${path} was replaced by another file`
    : existsSync(folder)
      ? `${path} was moved or removed`
      : `the folder ${folder} was moved or removed`;
  return new HeldFilesChanged(`${what} while it was open, so numbering has stopped; ${remedy}`);
}
