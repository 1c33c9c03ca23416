import { existsSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncFolder } from '../file/fsync.ts';
import type { Mark } from '../file/high-water-mark.ts';
import { HighWaterMark } from '../file/high-water-mark.ts';
import type { LedgerFiles } from '../file/ledger-files.ts';
import { DATABASE_SUFFIXES } from '../file/ledger-files.ts';
import { keepOwner } from '../file/owner.ts';

/**
 * The steps, in order, that move `replacement`, a finished file in the ledger's folder, to the ledger's place. The
 * process may die, or the power fail, after any of them:
 *
 * 1. The mark is raised, whole: a new file takes its name. Until then the old ledger is unchanged. From then on a
 *    ledger that ends before `mark` is refused.
 * 2. The old database is moved away, then its companions. A server that starts now finds the mark without a ledger and
 *    refuses, so the order of the rest does not matter.
 * 3. The folder is put on disk before the new file comes, so that this never meets the WAL of the old one.
 * 4. The new file takes its place. It ends exactly at its mark.
 *
 * At each of these points, running the command again finishes what an interrupted run began.
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

/** An unused name for a ledger that is replaced. */
export function replacedNameOf(database: string, now: Date): string {
  const time = now.toISOString().replaceAll(/[-:.]/g, '');
  for (let i = 0; ; i++) {
    const name = `${database}.replaced-${time}${i === 0 ? '' : `-${i}`}`;
    if (DATABASE_SUFFIXES.every((suffix) => !existsSync(`${name}${suffix}`))) return name;
  }
}
