import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { toolPath } from '../../../support/required-tool.ts';

/** Points at system calls, and the call of kill-shim.c for each: its kind, the end of the file's name, and when. */
export const CALLS = {
  'between two frames of the WAL': ['write', '.db-wal', 'before'],
  'in a frame of the WAL': ['write', '.db-wal', 'half'],
  'before the fsync of the WAL': ['sync', '.db-wal', 'before'],
  'after the fsync of the WAL': ['sync', '.db-wal', 'after'],
  'before the WAL is emptied': ['truncate', '.db-wal', 'before'],
  'after the WAL is emptied': ['truncate', '.db-wal', 'after'],
  'in a checkpoint': ['write', '.db', 'before'],
  'before the fsync of the database': ['sync', '.db', 'before'],
  'after the fsync of the database': ['sync', '.db', 'after'],
  'before a write of the mark': ['write', '.db.mark', 'before'],
  'after a write of the mark': ['write', '.db.mark', 'after'],
  'before the fsync of the mark': ['sync', '.db.mark', 'before'],
} as const;

export type CallPoint = keyof typeof CALLS;

/** The library of kill-shim.c, compiled; needs gcc. */
export function compileShim(folder: string): string {
  const library = join(folder, 'kill-shim.so');
  const source = new URL('kill-shim.c', import.meta.url).pathname;
  execFileSync(toolPath('gcc'), ['-shared', '-fPIC', '-Wall', '-Werror', '-O1', '-o', library, source]);
  return library;
}

/** The variables of a process that is killed at the nth such call. */
export function shimVariables(library: string, point: CallPoint, nth: number, hits: string): Record<string, string> {
  const [kind, suffix, when] = CALLS[point];
  const call = `${kind} ${suffix} ${nth} ${when}`;
  const variables = { LD_PRELOAD: library, KILL_CALL: call, KILL_POINT: point, KILL_HITS: hits };
  // Only checkpoints change the database.
  return suffix === '.db' ? { ...variables, FREQUENT_CHECKPOINTS: 'true' } : variables;
}
