import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { figures, newestOf, withFigures } from '../../../bench/report/docs.ts';
import { formatReport } from '../../../bench/report/report.ts';
import type { Result } from '../../../bench/report/result.ts';
import { formatJson } from '../../../bench/report/result.ts';
import { plotsOf } from '../../../bench/plots/plots.ts';

const ROOT = new URL('../../..', import.meta.url).pathname;
const same = (value: number) => ({ median: value, min: value - 1, max: value + 1 });
const level = (inFlight: number, perSecond: number) => ({
  inFlight,
  perSecond: same(perSecond),
  p50Ms: same(5),
  p99Ms: same(20),
  serverMicros: same(80),
  generatorMicros: same(7),
  threads: { main: 0.81, writer: 0.123, 'node-V8Worker': 0.3 },
});
const RESULT: Result = {
  date: '2026-01-02T03:04:05Z',
  command: 'make bench',
  commit: 'abc1234',
  machine: { node: 'v26.10.0', cpus: 2, cpuModel: 'A processor', fileSystem: 'ext4' },
  comparison: {
    rounds: 5,
    seconds: 2,
    peers: [
      {
        name: 'allocate-order',
        work: 'one call per order',
        levels: [level(64, 12_345)],
        density: { orders: 1000, holes: 0, repeats: 0 },
        isOurs: true,
      },
      {
        name: 'echo',
        work: 'nothing',
        levels: [level(64, 20_000)],
        density: { orders: 9, holes: 0, repeats: 0 },
        isOurs: false,
      },
    ],
    ratios: [
      {
        of: { peer: 'allocate-order', inFlight: 64 },
        to: { peer: 'echo', inFlight: 64 },
        atLeast: 0.7,
        name: 'allocate-order at 64 / echo at 64',
        value: { median: 0.617, min: 0.6, max: 0.65 },
      },
    ],
    leftOut: { rare: 'rared is missing: install rare-server' },
    appendP50Ms: 0.24,
  },
};

describe('the report of a JSON', () => {
  const report = formatReport(JSON.parse(formatJson(RESULT)) as Result);

  it('has the figures with their spread, and the processor time of both sides', () => {
    expect(report).toMatch(
      /^allocate-order +64 +12,345 \(12,344–12,346\) +5.00 +20.00 +80 +7 +event loop 0.81, writer 0.12$/m,
    );
  });

  it('says which goals were missed, and what was left out and why', () => {
    expect(report).toMatch(/^allocate-order at 64 \/ echo at 64 +0.62 +≥ 0.70 +MISSED$/m);
    expect(report).toMatch(/^holes and repeats in our ledgers +0 +≤ 0 +met$/m);
    expect(report).toContain('Left out: rare, because rared is missing: install rare-server.');
  });

  it('says what was run, when, and on what', () => {
    expect(report).toMatch(
      /^make bench; 2026-01-02T03:04:05Z; commit abc1234; Node.js v26.10.0; 2 CPUs \(A processor\); ext4$/m,
    );
  });
});

describe('the figures of docs/benchmarks.md', () => {
  it('come from the newest result of each kind; results of another form are passed by', () => {
    const older: Result = { ...RESULT, date: '2026-01-01T00:00:00Z', commit: 'older00' };
    const unreadable = { ...RESULT, date: '2027-01-01T00:00:00Z', comparison: { levels: [] } } as unknown as Result;
    const newest = newestOf([RESULT, older, unreadable]);
    expect([...newest]).toEqual([['comparison', RESULT]]);
    const text = figures(newest);
    expect(text).toContain('`make bench; 2026-01-02T03:04:05Z; commit abc1234;');
    expect(text).toContain('| allocate-order at 64 / echo at 64 | 0.62 | ≥ 0.70 | MISSED |');
    for (const { file } of plotsOf('comparison', RESULT)) expect(text).toContain(`](benchmarks/${file})`);
  });

  it('stand between two marks, outside of which nothing changes', () => {
    const document = readFileSync(`${ROOT}docs/benchmarks.md`, 'utf8');
    const changed = withFigures(document, 'FIGURES');
    expect(changed).toContain('\n\nFIGURES\n\n');
    expect(withFigures(changed, 'OTHERS')).toBe(changed.replace('FIGURES', 'OTHERS'));
    const [method, weaknesses] = [document.split('<!-- begin')[0]!, document.split('<!-- end -->')[1]!];
    expect(changed.startsWith(method) && changed.endsWith(weaknesses)).toBe(true);
  });

  it('a document without the marks is refused', () => {
    expect(() => withFigures('# Benchmarks', 'FIGURES')).toThrow('needs the lines');
  });
});
