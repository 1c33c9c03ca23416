import { readFileSync } from 'node:fs';
import { LedgerRefused } from '../../../core/errors.ts';

/** The fifth field of a line is the mount point (https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html). */
const MOUNT_POINT = /^(?:\S+ ){4}(\S+) /gm;

/**
 * Throws LedgerRefused if one of the ledger's files is itself a mount point, as after `docker run -v FILE:FILE`. The
 * same file may then be mounted in another folder as well, and a second server there would not find the lock, the mark
 * or the WAL, which are found through the folder. Nothing is checked if the system has no list of mounts.
 */
export function requireNoMountPoint(files: readonly string[], mountinfo = readMountinfo()): void {
  const mounted = mountPoints(mountinfo);
  for (const path of files) {
    if (!mounted.has(path)) continue;
    throw new LedgerRefused(
      `${path} is mounted as a single file, and a server that uses another mount of it would not be detected; mount the ` +
        'folder that holds the ledger instead',
    );
  }
}

/** The real paths of all mount points. */
function mountPoints(mountinfo: string): ReadonlySet<string> {
  return new Set([...mountinfo.matchAll(MOUNT_POINT)].map((match) => decoded(match[1]!)));
}

/** Bytes that would end a field, such as a space, are written in octal: `\040`. */
function decoded(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function readMountinfo(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return '';
  }
}
