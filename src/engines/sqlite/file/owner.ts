import { accessSync, chmodSync, constants, existsSync, lchownSync, lstatSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { LedgerRefused } from '../../../core/errors.ts';
import { PassingRefusal } from '../disk/passing-refusal.ts';
import type { LedgerFiles } from './ledger-files.ts';
import { existingFilesBeside } from './ledger-files.ts';

/** Files that root creates belong to root unless given away, as SQLite does with the files beside a database. */
const IS_ROOT = () => process.geteuid?.() === 0;
/** The permissions to read and to write. */
const MODE = 0o666;

/**
 * Gives a file that root has created to the owner of `model`, with the same permissions. `model` is the file that it
 * replaces or belongs to; without one, the owner of the folder gets the file. Only root can give files away, and it gives
 * nothing away through a link, which the owner of the folder could lead anywhere.
 */
export function keepOwner(path: string, model?: string): void {
  if (!IS_ROOT() || !existsSync(path)) return;
  const kept = model === undefined ? undefined : statSync(model, { throwIfNoEntry: false });
  const { uid, gid } = kept ?? statSync(dirname(path));
  const now = lstatSync(path);
  requirePlainFile(path);
  if (now.uid !== uid || now.gid !== gid) lchownSync(path, uid, gid);
  if (kept && (now.mode & MODE) !== (kept.mode & MODE)) chmodSync(path, kept.mode & MODE);
}

/** Throws LedgerRefused if there is anything but a file at this path, or if the file has other names. */
export function requirePlainFile(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found || (found.isFile() && found.nlink === 1)) return;
  throw new LedgerRefused(`${path} is a link or not a regular file; remove it, because it may lead to another file`);
}

/** A warning if a ledger has a new owner, because the server may then lack access. */
export function ownerWarning({ database, mark, lock }: LedgerFiles, oldUid: number | undefined): string | undefined {
  const { uid } = statSync(database);
  if (oldUid === undefined || uid === oldUid) return undefined;
  return (
    `${database} and its mark now belong to user ${uid}, but the old ledger belonged to user ${oldUid}; before the server ` +
    `starts, give them back with chown ${oldUid} ${database} ${mark} ${lock}`
  );
}

/** The owner of a file; undefined if it does not exist. */
export function ownerOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.uid;
}

/**
 * Throws LedgerRefused, with owner and remedy, if this process may not create files in the folder or write the file.
 */
export function requireWritable(path: string): void {
  for (const [place, right] of [
    [path, constants.W_OK],
    [dirname(path), constants.W_OK | constants.X_OK],
  ] as const) {
    if (!existsSync(place)) continue;
    try {
      accessSync(place, right);
    } catch (error) {
      throw notWritable(place, error);
    }
  }
}

function notWritable(place: string, error: unknown): LedgerRefused {
  const stat = statSync(place);
  const { uid, gid } = stat;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'EROFS') {
    return new PassingRefusal(
      `${place} is on a file system that is mounted read-only; mount it for writing, or name another place`,
      code,
    );
  }
  const self = process.geteuid?.();
  if (uid === self) {
    return new LedgerRefused(
      `this process may not write ${place}, although it belongs to this user (${self}); run chmod u+w ${place}`,
    );
  }
  // A server that ran as root has left every file of the ledger to root, not only the one tried here.
  const given = stat.isFile() ? existingFilesBeside(place).join(' ') : place;
  return new LedgerRefused(
    `this process may not write ${place} (it belongs to user ${uid}, group ${gid}, and this is user ${self}); run the ` +
      `command as its owner, or give the files to this user with chown ${self} ${given}`,
  );
}
