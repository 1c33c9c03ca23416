import type { ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { until } from '../until.ts';

/** Stopped, or stopped by a tracer. */
const STOPPED = 'Tt';

/**
 * Stops a process with SIGSTOP; resolves when none of its threads runs (on Linux; elsewhere at once). A thread that waits
 * inside a system call stops as it returns: pass its state D, too, where what it waits for does not come.
 */
export async function pause({ pid }: ChildProcess, states = STOPPED): Promise<void> {
  process.kill(pid!, 'SIGSTOP');
  if (process.platform !== 'linux') return;
  await until('every thread of the process is stopped', () => isStopped(pid!, states));
}

/** Lets it go on. */
export function resume({ pid }: ChildProcess): void {
  process.kill(pid!, 'SIGCONT');
}

function isStopped(pid: number, states: string): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) => {
    try {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1');
      // The name before may have spaces and parentheses.
      return states.includes(stat.slice(stat.lastIndexOf(')') + 2)[0]!);
    } catch {
      // It has just ended.
      return false;
    }
  });
}
