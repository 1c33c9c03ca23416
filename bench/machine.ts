import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { cpus } from 'node:os';
import { runChild } from './processes/child-process.ts';

/** The machine, on which the figures of a run depend. */
export interface Machine {
  readonly node: string;
  readonly cpus: number;
  readonly cpuModel: string;
  /** The file system of the folder with the ledgers, which determines the cost of an fsync. */
  readonly fileSystem: string;
}

export function describeMachine(folder: string): Machine {
  const cores = cpus();
  return {
    node: process.version,
    cpus: cores.length,
    cpuModel: cores[0]?.model.trim() ?? 'unknown',
    fileSystem: fileSystemOf(folder),
  };
}

/** The type of the mount with the longest path above the folder. */
function fileSystemOf(folder: string): string {
  const mounts = '/proc/self/mounts';
  if (!existsSync(mounts)) return 'unknown';
  const path = `${realpathSync(folder)}/`;
  let best = { point: '', type: 'unknown' };
  for (const line of readFileSync(mounts, 'utf8').split('\n')) {
    const [, point, type] = line.split(' ');
    if (point === undefined || type === undefined) continue;
    const isAbove = path.startsWith(point.endsWith('/') ? point : `${point}/`);
    // A later mount at the same place hides the earlier one.
    if (isAbove && point.length >= best.point.length) best = { point, type };
  }
  return best.type;
}

/** The short name of the commit that is checked out, with "-dirty" if files differ from it; "unknown" without Git. */
export async function commitOf(): Promise<string> {
  const args = ['describe', '--always', '--abbrev=7', '--dirty', '--exclude=*'];
  const { code, stdout } = await runChild('git', args).catch(() => ({ code: -1, stdout: '' }));
  return code === 0 ? stdout.trim() : 'unknown';
}
