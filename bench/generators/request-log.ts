import { readFileSync } from 'node:fs';
import { latenessMs } from './schedule.ts';

/** The requests of one generator that h2load logged, in the order in which they were sent. Times are in microseconds. */
export interface RequestLog {
  readonly starts: Float64Array;
  readonly durations: Float64Array;
  /** Requests without a status of 200. */
  readonly failed: number;
}

/** Reads a log of h2load: one line per request, with its start since the epoch, its HTTP status and its duration. */
export function readRequestLog(path: string): RequestLog {
  const rows = readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t').map(Number));
  rows.sort((a, b) => a[0]! - b[0]!);
  return {
    starts: Float64Array.from(rows, ([start]) => start!),
    durations: Float64Array.from(rows, ([, , duration]) => duration!),
    failed: rows.filter(([, status]) => status !== 200).length,
  };
}

/**
 * Answers per second while all generators ran. They do not end at the same time, and the last of them alone is not the
 * load that was asked for.
 */
export function steadyRate(logs: readonly RequestLog[]): number {
  const begin = Math.max(...logs.map(({ starts }) => starts[0]!));
  const ends = logs.map(({ starts, durations }) => starts.map((start, i) => start + durations[i]!));
  const end = Math.min(...ends.map(highest));
  const answered = ends.reduce((sum, all) => sum + all.filter((at) => at >= begin && at <= end).length, 0);
  return answered / ((end - begin) / 1e6);
}

/** The latencies of all calls, in milliseconds, sorted. */
export function latencies(logs: readonly RequestLog[]): Float64Array {
  return sorted(logs.flatMap(({ durations }) => Array.from(durations, toMs)));
}

/**
 * Latencies from the burst in which a call was due, not from when it was sent, in milliseconds, sorted: a server that
 * stalls a generator delays the calls behind it, too. `perSecond` is the rate of each generator.
 */
export function scheduledLatencies(logs: readonly RequestLog[], perSecond: number): Float64Array {
  const fromDue = ({ starts, durations }: RequestLog) =>
    Array.from(durations, (duration, i) => {
      const sentMs = toMs(starts[i]! - starts[0]!);
      return latenessMs((i / perSecond) * 1000, sentMs) + toMs(duration);
    });
  return sorted(logs.flatMap(fromDue));
}

function toMs(micros: number): number {
  return micros / 1000;
}

function sorted(values: readonly number[]): Float64Array {
  return Float64Array.from(values).toSorted();
}

function highest(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, value), -Infinity);
}
