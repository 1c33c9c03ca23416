import { readFileSync } from 'node:fs';
import { LedgerRefused } from '../../../core/errors.ts';

/** The fifth field of a line: where something is mounted (https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html). */
const MOUNT_POINT = /^(?:\S+ ){4}(\S+) /gm;

/**
 * Throws LedgerRefused if one of the ledger's files is a mount point itself, as `docker run -v FILE:FILE` makes it. The
 * same file may then be mounted in another folder, too, and a second server there finds neither the lock, the mark nor the
 * WAL, which are found by the folder. Where the system has no list of mounts, nothing is checked.
 */
export function requireNoMountPoint(files: readonly string[], mountinfo = readMountinfo()): void {
  const mounted = mountPoints(mountinfo);
  for (const path of files) {
    if (!mounted.has(path)) continue;
    throw new LedgerRefused(
      `${path} is mounted as a single file, and a server that uses another mount of it would not be noticed: mount the ` +
        'folder that holds the ledger instead',
    );
  }
}

/** The places where something is mounted, by their real paths. */
function mountPoints(mountinfo: string): ReadonlySet<string> {
  return new Set([...mountinfo.matchAll(MOUNT_POINT)].map((match) => decoded(match[1]!)));
}

/** Bytes that would end a field, such as a space, stand in octal digits: `\040`. */
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
