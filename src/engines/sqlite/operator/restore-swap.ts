import { existsSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncFolder } from '../file/fsync.ts';
import type { Mark } from '../file/high-water-mark.ts';
import { HighWaterMark } from '../file/high-water-mark.ts';
import type { LedgerFiles } from '../file/ledger-files.ts';
import { DATABASE_SUFFIXES } from '../file/ledger-files.ts';
import { keepOwner } from '../file/owner.ts';

/**
 * The steps that put `replacement`, a finished file in the ledger's folder, in the ledger's place, in order.
 * The process may die after any of them, and the power may go:
 *
 * 1. The mark goes up, whole (a new file takes its name). Until here the old ledger is what it was. From here
 *    on a ledger that ends before `mark` is refused.
 * 2. The old database goes away, then what belongs to it. A server that is started now finds the mark
 *    without a ledger, and refuses; so it does not matter in which order the rest follows.
 * 3. The folder is on disk before the new file comes: it never meets the WAL of the old one.
 * 4. The new file takes its place, and is at its mark exactly.
 *
 * A second run of the command finishes what one that died began, at each of these points.
 */
export function swapSteps(
  files: LedgerFiles,
  replacement: string,
  mark: Mark,
  replacedName: string,
): readonly (() => void)[] {
  const folder = dirname(files.database);
  const moveAway = (suffix: string) => {
    if (existsSync(`${files.database}${suffix}`)) {
      renameSync(`${files.database}${suffix}`, `${replacedName}${suffix}`);
    }
  };
  return [
    () => {
      const fresh = `${files.mark}.new`;
      keepOwner(replacement, files.database);
      new HighWaterMark(fresh, mark).close();
      keepOwner(fresh, existsSync(files.mark) ? files.mark : files.database);
      renameSync(fresh, files.mark);
      syncFolder(folder);
    },
    ...DATABASE_SUFFIXES.map((suffix) => () => moveAway(suffix)),
    () => syncFolder(folder),
    () => {
      renameSync(replacement, files.database);
      syncFolder(folder);
    },
  ];
}

/** A name that no file has, for a ledger that is replaced. */
export function replacedNameOf(database: string, now: Date): string {
  const time = now.toISOString().replaceAll(/[-:.]/g, '');
  for (let i = 0; ; i++) {
    const name = `${database}.replaced-${time}${i === 0 ? '' : `-${i}`}`;
    if (DATABASE_SUFFIXES.every((suffix) => !existsSync(`${name}${suffix}`))) return name;
  }
}
