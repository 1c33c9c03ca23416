import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Job } from './database-without-wal-process.ts';
import type { DatabaseFile, DatabaseWithoutWal } from './immutable-database.ts';

// A short-lived process does what needs a descriptor of the database file. Closing one in this process would drop any
// POSIX locks that SQLite holds on the file here (https://www.sqlite.org/howtocorrupt.html, section 2.2). That costs a
// tenth of a second, and only after a kill or beside a reader.

/** Reads the database file as if it had no WAL. Changes no file. */
export function readWithoutWal(database: string): DatabaseWithoutWal {
  return JSON.parse(run('read', database)) as DatabaseWithoutWal;
}

/** The same with all that says whether a server may use the file. */
export function lookWithoutWal(database: string): DatabaseFile | 'unreadable' {
  return JSON.parse(run('look', database)) as DatabaseFile | 'unreadable';
}

/** Puts on disk whatever any process has written to the database file. */
export function syncDatabase(database: string): void {
  run('sync', database);
}

function run(job: Job, database: string): string {
  // Like this file, source (.ts) or compiled (.js).
  const program = fileURLToPath(new URL(`./database-without-wal-process${extname(import.meta.url)}`, import.meta.url));
  // Few openings need it, and the writer thread would load it at every one.
  const { execFileSync } = process.getBuiltinModule('node:child_process');
  return execFileSync(process.execPath, [program, job, database], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
