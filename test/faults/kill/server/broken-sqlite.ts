import { threadName } from 'node:worker_threads';
import Database from 'better-sqlite3';

// Loaded with --import before sqlite-points.ts: writers that break one promise each, for the negative controls.

/** A batch is answered before its commit: one of 32 commits all since the one before. */
const BATCHES_PER_COMMIT = 32n;
/** A counter in memory reserves this many numbers at a time. */
const RESERVED = 1000n;

type Run = (...values: readonly never[]) => Database.RunResult;

interface Statement {
  run: Run;
  get: () => unknown;
}

const NOTHING: Database.RunResult = { changes: 0, lastInsertRowid: 0 };
const { prepare } = Database.prototype;

/** Each returns the text of the statement, and changes what it does once it is prepared. */
const BROKEN = {
  'replies before the commit': { textOf: (sql: string) => sql, change: commitLater },
  'numbers from memory': { textOf: (sql: string) => sql, change: countInMemory },
  'replays without a lookup': { textOf: insertAnyway, change: () => {} },
} as const;

export type Broken = keyof typeof BROKEN;

let batches = 0n;

function commitLater(db: Database.Database, sql: string, statement: Statement): void {
  const { run } = statement;
  if (sql === 'BEGIN IMMEDIATE') statement.run = () => (db.inTransaction ? NOTHING : run.call(statement));
  if (sql === 'COMMIT') statement.run = () => (batches++ % BATCHES_PER_COMMIT === 0n ? run.call(statement) : NOTHING);
}

let lastOrderId: bigint | undefined;

function countInMemory(_: Database.Database, sql: string, statement: Statement): void {
  const { run, get } = statement;
  if (sql.startsWith('SELECT ledger_id')) {
    statement.get = () => {
      const row = get.call(statement) as object;
      return lastOrderId === undefined ? row : { ...row, last_order_id: lastOrderId };
    };
  }
  if (sql.startsWith('UPDATE ledger SET last_order_id')) {
    statement.run = ((last: bigint, timeMs: never) => {
      lastOrderId = last;
      return run.call(statement, ...([(last / RESERVED + 1n) * RESERVED, timeMs] as never[]));
    }) as Run;
  }
}

/** Without the index nothing says that a request has a row. */
function insertAnyway(sql: string, db: Database.Database): string {
  if (!sql.startsWith('INSERT INTO allocations')) return sql;
  db.exec('DROP INDEX IF EXISTS allocations_by_request_id');
  return sql.replace(/ON CONFLICT .*/s, '');
}

const broken = BROKEN[process.env['BROKEN'] as Broken] as (typeof BROKEN)[Broken] | undefined;
if (broken && threadName === 'writer') {
  Database.prototype.prepare = function (this: Database.Database, sql: string) {
    const statement = prepare.call(this, broken.textOf(sql, this));
    broken.change(this, sql, statement as unknown as Statement);
    return statement;
  } as typeof prepare;
}
