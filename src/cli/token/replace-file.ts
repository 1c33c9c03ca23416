import { closeSync, fchmodSync, fchownSync, fstatSync, fsyncSync, openSync } from 'node:fs';
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncFolder } from '../../engines/sqlite/file/fsync.ts';

/** A new file is for its owner alone. */
const MODE = 0o600;

/**
 * Replaces a file atomically and durably: a reader sees the old text or the new one, even after a crash. The owner and
 * the mode stay. Only one process at a time may do this.
 */
export function replaceFile(path: string, text: string): void {
  const next = `${path}.next`;
  // A process that was killed may have left one.
  rmSync(next, { force: true });
  try {
    writeNew(next, text, path);
    renameSync(next, path);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

function writeNew(next: string, text: string, path: string): void {
  const file = openSync(next, 'wx', MODE);
  try {
    writeFileSync(file, text);
    keepOwner(file, path);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** A new file that root creates belongs to the owner of the folder, as those of a ledger do. */
function keepOwner(file: number, path: string): void {
  const before = statSync(path, { throwIfNoEntry: false });
  const model = before ?? (process.geteuid?.() === 0 ? statSync(dirname(path)) : undefined);
  const { uid, gid } = fstatSync(file);
  if (model && (model.uid !== uid || model.gid !== gid)) {
    try {
      fchownSync(file, model.uid, model.gid);
    } catch (error) {
      const owner = `user ${model.uid}, group ${model.gid}`;
      throw new Error(`${path} belongs to ${owner}, which this user cannot preserve: run the command as its owner`, {
        cause: error,
      });
    }
  }
  if (before) fchmodSync(file, before.mode & 0o777);
}
