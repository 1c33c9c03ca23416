import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { MS_PER_TICK, statFields } from './process-stat.ts';

interface Times {
  readonly parent: number;
  /** Processor time of the process and of those of its children that have ended, in ticks. */
  readonly ticks: number;
}

/**
 * The processor time of a process and its children, including those that have ended, in microseconds: PostgreSQL has a
 * process per connection. Undefined on systems without /proc.
 */
export function familyMicros(pid: number): number | undefined {
  if (!existsSync('/proc/self/stat')) return undefined;
  // A child that ends while the family is read is counted twice or not at all: all of them have to be there afterwards.
  for (;;) {
    const family = familyOf(pid);
    const later = familyOf(pid);
    if ([...family.keys()].every((name) => later.has(name))) {
      return [...family.values()].reduce((sum, ticks) => sum + ticks, 0) * MS_PER_TICK * 1000;
    }
  }
}

/** The processor time of each process of the family, in ticks, by its id. */
function familyOf(pid: number): Map<string, number> {
  const family = new Map<string, number>();
  for (const name of readdirSync('/proc')) {
    const times = /^\d+$/.test(name) ? timesOf(name) : undefined;
    if (times && (Number(name) === pid || times.parent === pid)) family.set(name, times.ticks);
  }
  return family;
}

/** Undefined for a process that ended after its name was read. */
function timesOf(pid: string): Times | undefined {
  try {
    const field = statFields(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    return { parent: field(4), ticks: field(14) + field(15) + field(16) + field(17) };
  } catch {
    return undefined;
  }
}
