import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Linux counts in hundredths of a second, whatever its own clock does. */
const MICROS_PER_TICK = 10_000;

interface Times {
  readonly parent: number;
  /** Processor time of the process and of those of its children that have ended, in ticks. */
  readonly ticks: number;
}

/**
 * The processor time of a process and of its children, those that have ended included, in microseconds: a PostgreSQL
 * has a process per connection. Undefined on systems without /proc.
 */
export function familyMicros(pid: number): number | undefined {
  if (!existsSync('/proc/self/stat')) return undefined;
  let ticks = 0;
  for (const name of readdirSync('/proc')) {
    const times = /^\d+$/.test(name) ? timesOf(name) : undefined;
    if (times && (Number(name) === pid || times.parent === pid)) ticks += times.ticks;
  }
  return ticks * MICROS_PER_TICK;
}

/** Undefined for a process that ended after its name was read. */
function timesOf(pid: string): Times | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may have spaces; what follows it begins with the third field of proc(5).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const field = (number: number) => Number(fields[number - 3]);
    return { parent: field(4), ticks: field(14) + field(15) + field(16) + field(17) };
  } catch {
    return undefined;
  }
}
