import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { MS_PER_TICK, statFields } from './process-stat.ts';

/** The processor time that the threads of a process have taken so far, in milliseconds, by the name of the thread. */
export type ThreadTimes = ReadonlyMap<string, number>;

/** The thread with the event loop, whatever name the system shows for it. */
export const MAIN = 'main';

/**
 * Adds up threads of the same name, such as V8's collectors. Empty on systems without /proc, and for a process that
 * ended.
 */
export function threadTimes(pid: number): ThreadTimes {
  const times = new Map<string, number>();
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return times;
  for (const thread of readdirSync(tasks)) {
    const stat = readFileSync(`${tasks}/${thread}/stat`, 'utf8');
    const name = Number(thread) === pid ? MAIN : stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    times.set(name, (times.get(name) ?? 0) + spentMs(stat));
  }
  return times;
}

/** The processor time of a process, including threads that have ended, in milliseconds; undefined without /proc. */
export function processorMs(pid: number): number | undefined {
  const stat = `/proc/${pid}/stat`;
  return existsSync(stat) ? spentMs(readFileSync(stat, 'utf8')) : undefined;
}

/** What one piece of work cost a process. */
export interface Spent {
  /** Microseconds per order; absent on systems without /proc. */
  readonly serverMicros?: number;
  /** Shares of one core, by the name of the thread, of those that took at least a hundredth. */
  readonly threads?: Readonly<Record<string, number>>;
}

/** Begins to count; calling the result ends the count. */
export function startCounting(pid: number): (orders: number) => Spent {
  const began = performance.now();
  const before = threadTimes(pid);
  const allBefore = processorMs(pid);
  return (orders) => {
    const all = processorMs(pid);
    if (all === undefined || allBefore === undefined) return {};
    const ms = performance.now() - began;
    const shares = [...threadTimes(pid)].map(
      ([name, after]) => [name, (after - (before.get(name) ?? 0)) / ms] as const,
    );
    return {
      serverMicros: ((all - allBefore) / orders) * 1000,
      threads: Object.fromEntries(shares.filter(([, share]) => share >= 0.01)),
    };
  };
}

/** Time in user mode and in the kernel, the 14th and the 15th field. */
function spentMs(stat: string): number {
  const field = statFields(stat);
  return (field(14) + field(15)) * MS_PER_TICK;
}
