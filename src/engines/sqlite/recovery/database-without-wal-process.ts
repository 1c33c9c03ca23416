import { syncFile } from '../file/fsync.ts';
import { lookImmutable, readImmutable } from './immutable-database.ts';

// A separate program, run by database-without-wal.ts: what this process opens and closes leaves the server's locks
// alone.

export type Job = 'read' | 'look' | 'sync';

function sync(path: string): null {
  syncFile(path);
  return null;
}

const [job, path = ''] = process.argv.slice(2) as [Job, string?];
const jobs: Readonly<Record<Job, (path: string) => unknown>> = {
  read: readImmutable,
  look: lookImmutable,
  sync,
};
process.stdout.write(JSON.stringify(jobs[job](path)));
