import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, renameSync, rmSync } from 'node:fs';
import type { LedgerFiles } from '../../../src/engines/sqlite/file/ledger-files.ts';

const PAGE = 4096;

/** What is done to the files of a ledger that a server has open. `older` is a copy of the database. */
export interface RunningCase {
  /** In the page's table. */
  readonly damage: string;
  readonly how: string;
  inject(files: LedgerFiles, older: string): void;
  /** Why the server ends; undefined if it does not notice. */
  readonly ends?: RegExp;
  /** The reason of a read's refusal. */
  readonly read?: string;
  readonly risk?: string;
}

const WRITE = `const { openSync, readFileSync, writeSync } = require('node:fs');
writeSync(openSync(process.argv[1], 'r+'), readFileSync(0), 0, undefined, Number(process.argv[2]));`;

/** Another process writes: see locateLedger. */
function overwrite(path: string, bytes: Buffer, offset = 0): void {
  execFileSync(process.execPath, ['-e', WRITE, path, String(offset)], { input: bytes });
}

function replace(path: string, by: string): void {
  copyFileSync(by, `${path}.new`);
  renameSync(`${path}.new`, path);
}

export const RUNNING_CASES: readonly RunningCase[] = [
  {
    damage: 'under a running server: the database or the WAL replaced, removed or overwritten by an older one',
    how: 'the database replaced by an older copy',
    inject: ({ database }, older) => replace(database, older),
    ends: /was replaced by another file while it was open/,
  },
  {
    damage: 'under a running server: the database or the WAL replaced, removed or overwritten by an older one',
    how: 'an older copy written over the database',
    inject: ({ database }, older) => overwrite(database, readFileSync(older)),
    ends: /was overwritten while it was open/,
  },
  {
    damage: 'under a running server: the database or the WAL replaced, removed or overwritten by an older one',
    how: 'the WAL removed',
    inject: ({ wal }) => rmSync(wal),
    ends: /-wal was moved or removed while it was open/,
  },
  {
    damage: 'under a running server: a flipped bit in a page that a read needs',
    how: 'in the type of a page of allocations',
    // The root of the table allocations is the fourth page; no tree has this type.
    inject: ({ database }) => overwrite(database, Buffer.from([0xff]), 3 * PAGE),
    read: 'LEDGER_DAMAGED',
  },
  {
    damage: 'under a running server: the mark removed',
    how: 'removed',
    inject: ({ mark }) => rmSync(mark),
    risk: 'at the next start, as with a missing mark',
  },
];
