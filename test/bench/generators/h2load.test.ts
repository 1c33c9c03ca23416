import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { missingH2load, shape } from '../../../bench/generators/h2load.ts';
import { latencies, readRequestLog, scheduledLatencies, steadyRate } from '../../../bench/generators/request-log.ts';
import type { RequestLog } from '../../../bench/generators/request-log.ts';
import { testFolder } from '../../support/processes/server-process.ts';

/** A second, in the unit of a log. */
const SECOND = 1e6;

describe('shape', () => {
  it.each([1, 8, 10, 64, 100, 400, 401, 404, 2000, 4000])('%d in flight are exactly as many', (inFlight) => {
    const { processes, connections, streams } = shape(inFlight);
    expect(processes * connections * streams).toBe(inFlight);
    expect([processes, connections, streams].every(Number.isInteger)).toBe(true);
    expect(processes).toBeLessThanOrEqual(4);
    expect(streams).toBeLessThanOrEqual(100);
  });
});

describe('the log of h2load', () => {
  it('is read in the order of sending, and calls without a 200 are counted', () => {
    const path = join(testFolder(), 'log');
    writeFileSync(path, '3000\t200\t50\n1000\t200\t900\n2000\t-1\t7\n');
    const { starts, durations, failed } = readRequestLog(path);
    expect([...starts]).toEqual([1000, 2000, 3000]);
    expect([...durations]).toEqual([900, 7, 50]);
    expect(failed).toBe(1);
  });

  it('gives the rate of the time in which all generators ran, not of a last one alone', () => {
    const fast = regular({ calls: 100, everyMs: 10 });
    const slow = regular({ calls: 100, everyMs: 20 });
    // In the first second 100 and 50 calls are answered; after that only the slow one runs.
    expect(steadyRate([fast, slow])).toBeGreaterThan(145);
    expect(steadyRate([fast, slow])).toBeLessThan(155);
  });

  it('gives latencies from when calls were due, so that a server that stops for a second is seen by all of them', () => {
    const everyMs = 10;
    const log = regular({ calls: 100, everyMs });
    // The generator could send nothing for the first second, then everything at once, and was answered at once.
    const late: RequestLog = { ...log, starts: log.starts.map((start, i) => (i === 0 ? start : SECOND)) };
    expect(latencies([late]).at(50)).toBeCloseTo(1);
    expect(scheduledLatencies([late], 1000 / everyMs).at(50)).toBeGreaterThan(400);
    expect(scheduledLatencies([log], 1000 / everyMs).at(-1)).toBeCloseTo(1);
  });
});

it('a missing h2load is named with what has it', async () => {
  expect(await missingH2load('h2load-that-nobody-has')).toBe(
    'h2load is missing: install nghttp2-client (apt-get install nghttp2-client, brew install nghttp2)',
  );
});

/** Calls at equal distances that take a millisecond each. */
function regular({ calls, everyMs }: { calls: number; everyMs: number }): RequestLog {
  const starts = Float64Array.from({ length: calls }, (_, i) => i * everyMs * 1000);
  return { starts, durations: starts.map(() => 1000), failed: 0 };
}
