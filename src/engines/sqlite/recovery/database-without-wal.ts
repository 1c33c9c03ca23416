import { execFileSync } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DatabaseWithoutWal, Job } from './database-without-wal-process.ts';

// What needs a descriptor of the database file is done by a short-lived process: to close one in this process would drop
// the POSIX locks that SQLite holds on the file here (https://www.sqlite.org/howtocorrupt.html, section 2.2), and whether
// it holds some is nothing to rely on. It costs a tenth of a second, after a kill or beside a reader only.

/** Looks at the database file as if it had no WAL. Changes no file. */
export function readWithoutWal(database: string): DatabaseWithoutWal {
  return JSON.parse(run('read', database)) as DatabaseWithoutWal;
}

/** Puts on disk what was written to the database file, by whatever process. */
export function syncDatabase(database: string): void {
  run('sync', database);
}

function run(job: Job, database: string): string {
  // As this file, source (.ts) or compiled (.js).
  const program = fileURLToPath(new URL(`./database-without-wal-process${extname(import.meta.url)}`, import.meta.url));
  return execFileSync(process.execPath, [program, job, database], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
