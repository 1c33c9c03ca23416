import { readdirSync, readFileSync, statSync } from 'node:fs';
import type { LedgerFiles } from './ledger-files.ts';

/**
 * The other processes that have the ledger open, such as `1234 (order-numbers backup …)`. Known on Linux only, and only
 * for processes in the same container. A process that only reads holds the -shm file.
 */
export function holdersOf({ database, shm }: LedgerFiles): string[] {
  const inodes = new Set([database, shm].map(inodeOf).filter((inode) => inode !== undefined));
  return entries('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => entries(`/proc/${pid}/fd`).some((fd) => inodes.has(inodeOf(`/proc/${pid}/fd/${fd}`) ?? '')))
    .map((pid) => `${pid} (${commandOf(pid)})`);
}

/** Looks the file up by name and never opens it. */
function inodeOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    // It has ended, or belongs to another user.
    return undefined;
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim().slice(0, 120);
  } catch {
    return 'ending';
  }
}
