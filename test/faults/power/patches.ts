import type { Patch } from './patched-source.ts';

/** The environment of a program whose sources are patched, in all its threads. */
export function patched(...patches: readonly Patch[]): Record<string, string> {
  const hook = new URL('patched-source.ts', import.meta.url).href;
  return {
    NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} --import ${hook}`.trim(),
    PATCHED_SOURCE: JSON.stringify(patches),
  };
}

/** A commit is answered before it is on disk. */
export const WITHOUT_FULL: readonly Patch[] = [
  {
    file: 'src/engines/sqlite/file/connection.ts',
    from: "db.pragma('synchronous = FULL');",
    to: "db.pragma('synchronous = NORMAL');",
  },
  { file: 'src/engines/sqlite/file/connection.ts', from: 'synchronous !== 2', to: 'synchronous !== 1' },
];

/** A start leaves what recovery found in the memory of the system, and commits nothing. */
export const WITHOUT_CHECKPOINT: readonly Patch[] = [
  {
    file: 'src/engines/sqlite/recovery/open-ledger.ts',
    from: `const isBusy = checkpoint(db, 'TRUNCATE').busy;
    if (isBusy && !(passReaders && makeDurable(db, files))) return undefined;
`,
    to: 'const isBusy = true;',
  },
  {
    file: 'src/engines/sqlite/recovery/open-ledger.ts',
    from: `      raiseGeneration(db);
      completeCheckpoint(db, files, mark);
      if (!isBusy) checkpoint(db, 'TRUNCATE');
`,
    to: '',
  },
];

/** A start beside a reader takes what it can read for being on disk. */
export const WITHOUT_REWRITE: readonly Patch[] = [
  {
    file: 'src/engines/sqlite/recovery/open-ledger.ts',
    from: 'frames = rewriteFrames(files.wal);',
    to: 'frames = Infinity;',
  },
];

/** Reads a database without its WAL in this process, which has no connection open then: a hundred times as fast. */
export const IN_ONE_PROCESS: readonly Patch[] = [
  {
    file: 'src/engines/sqlite/recovery/database-without-wal.ts',
    from: "return JSON.parse(run('read', database)) as DatabaseWithoutWal;",
    to: 'return readImmutable(database);',
  },
  {
    file: 'src/engines/sqlite/recovery/database-without-wal.ts',
    from: "import type { Job } from './database-without-wal-process.ts';",
    to: "import type { Job } from './database-without-wal-process.ts';\nimport { readImmutable } from './immutable-database.ts';",
  },
];
