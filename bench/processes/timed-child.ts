import type { Ended } from './child-process.ts';
import { runChild } from './child-process.ts';

/** Runs a program to its end, and has a shell count its processor time, in microseconds, because Node.js cannot. */
export async function runTimed(command: string, args: readonly string[]): Promise<Ended & { readonly micros: number }> {
  const ended = await runChild('sh', ['-c', '"$@"; code=$?; times >&2; exit $code', 'sh', command, ...args]);
  const [user, system] = ended.stderr.trimEnd().split('\n').at(-1)!.split(' ').map(toMicros);
  return { ...ended, micros: user! + system! };
}

/** Parses a time as a shell prints it, such as `1m2.5s`. */
function toMicros(time: string): number {
  const [minutes, seconds] = time.split('m');
  return (Number(minutes) * 60 + Number.parseFloat(seconds!)) * 1e6;
}
