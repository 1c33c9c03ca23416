import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { threadName } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { BACKUP_POINTS, CHECKPOINT_POINTS, isArmed, passes, START_POINTS } from './points.ts';

// Loaded with --import, and so before the modules of every thread: SQLite as it is, but for the points that it passes.

type Run = (...values: readonly unknown[]) => Database.RunResult;

const { prepare, pragma, backup } = Database.prototype;
/** Rows inserted since BEGIN, and commits, by this thread. */
let inserted = 0;
let commits = 0;
let recoveries = 0;
let migrations = 0;

/** The same, with the points that the statement passes whenever it runs; undefined if it passes none. */
function passing(sql: string, run: Run): Run | undefined {
  if (sql === 'BEGIN IMMEDIATE') {
    return () => {
      passes('before BEGIN');
      const result = run();
      inserted = 0;
      passes('after BEGIN');
      return result;
    };
  }
  if (sql === 'COMMIT') {
    return () => {
      passes('before COMMIT');
      const result = run();
      commits++;
      passes('after COMMIT');
      return result;
    };
  }
  if (!sql.startsWith('INSERT INTO allocations') || !isArmed('mid-inserts')) return undefined;
  return (...values) => {
    if (inserted++ > 0) passes('mid-inserts');
    return run(...values);
  };
}

Database.prototype.prepare = function (this: Database.Database, sql: string) {
  const statement = prepare.call(this, sql);
  const run = threadName === 'writer' ? passing(sql, statement.run.bind(statement) as Run) : undefined;
  return run ? Object.assign(statement, { run }) : statement;
} as typeof prepare;

/** The points before a pragma of the writer, and after it. */
function writerPasses(text: string, when: 'before' | 'after'): void {
  if (text === 'wal_checkpoint(TRUNCATE)') {
    if (recoveries === 0) passes(when === 'before' ? 'before the recovery' : 'after the recovery');
    if (when === 'after') recoveries++;
  }
  if (text.startsWith('user_version = ') && when === 'before') {
    passes('in a migration');
    migrations++;
  }
  if (text.startsWith('wal_checkpoint') && when === 'before' && migrations > 0) {
    migrations = 0;
    passes('after a migration');
  }
  // The opening has one of its own, before the first commit.
  if (text === 'wal_checkpoint(PASSIVE)' && when === 'after' && commits > 0) passes('before a checkpoint is recorded');
}

interface CheckpointRow {
  readonly busy: bigint;
  readonly log: bigint;
  readonly checkpointed: bigint;
}

/** The answer to how long the WAL is, so that a checkpoint is due after few commits. */
function asIfLong([row]: [CheckpointRow]): [CheckpointRow] {
  return [{ ...row, log: row.checkpointed + (row.log - row.checkpointed) * 1000n }];
}

const areCheckpointsFrequent = isArmed(...CHECKPOINT_POINTS) || process.env['FREQUENT_CHECKPOINTS'] === 'true';

if (areCheckpointsFrequent || isArmed(...START_POINTS)) {
  const run = (db: Database.Database, text: string, options?: Database.PragmaOptions) =>
    options ? pragma.call(db, text, options) : pragma.call(db, text);
  Database.prototype.pragma = function (this: Database.Database, text: string, options?: Database.PragmaOptions) {
    const isPass = threadName === 'checkpointer' && text === 'wal_checkpoint(PASSIVE)';
    if (threadName === 'writer') writerPasses(text, 'before');
    else if (isPass) passes('before a pass of a checkpoint');
    const result = run(this, text, options);
    if (threadName === 'writer') writerPasses(text, 'after');
    else if (isPass) passes('after a pass of a checkpoint');
    const isLength = threadName === 'checkpointer' && text === 'wal_checkpoint(NOOP)';
    return isLength && areCheckpointsFrequent ? asIfLong(result as [CheckpointRow]) : result;
  } as typeof pragma;
}

if (isArmed(...BACKUP_POINTS)) {
  Database.prototype.backup = async function (
    this: Database.Database,
    target: string,
    options: Database.BackupOptions,
  ): Promise<Database.BackupMetadata> {
    const progress = (info: Database.BackupMetadata) => {
      // So few pages that the copy is in the middle.
      if (info.remainingPages > 0) passes('in a backup');
      options.progress(info);
      return 1;
    };
    return backup.call(this, target, { ...options, progress });
  };
  const { renameSync } = fs;
  fs.renameSync = (from, to) => {
    passes('before a backup is in its place');
    renameSync(from, to);
  };
  syncBuiltinESMExports();
}
