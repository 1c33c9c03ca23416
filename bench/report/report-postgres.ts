import type { PostgresThroughput } from '../measurements/postgres.ts';
import type { Target } from './text.ts';
import { ms, ratio, table, two } from './text.ts';

/** The minimum ratio to one function call per order, by the calls in flight. */
const MIN_TO_HOT_ROW: Readonly<Record<number, number>> = { 64: 4, 400: 8 };
const MIN_FOUR_TO_ONE = 0.9;

export function postgresLines({ version, rounds, levels, answered }: PostgresThroughput): string[] {
  const head = ['in flight', 'hot row /s', 'p50', 'one server /s', 'p50', 'p99', 'four /s', 'p50', 'p99'];
  const rows = levels.map(({ inFlight, rps, p50Ms, p99Ms, oneToHotRow, fourToOne }) => [
    String(inFlight),
    rps.hotRow.median.toFixed(0),
    ms(p50Ms.hotRow.median),
    rps.oneServer.median.toFixed(0),
    ms(p50Ms.oneServer.median),
    ms(p99Ms.oneServer.median),
    rps.fourServers.median.toFixed(0),
    ms(p50Ms.fourServers.median),
    ms(p99Ms.fourServers.median),
    ratio(oneToHotRow),
    ratio(fourToOne),
  ]);
  return [
    `PostgreSQL ${version}; medians of ${rounds} rounds; calls per second, ms; ratios within a round, with min and max`,
    ...table([[...head, 'one / hot row', 'four / one'], ...rows]),
    `no gaps after ${answered} allocations`,
  ];
}

export function postgresTargets({ levels }: PostgresThroughput): Target[] {
  return levels.flatMap(({ inFlight, oneToHotRow, fourToOne }) => {
    const least = MIN_TO_HOT_ROW[inFlight] ?? 1;
    return [
      target(`one server / one call per order, ${inFlight} in flight`, oneToHotRow.median, least),
      ...(inFlight === 400 ? [target('four servers / one, 400 in flight', fourToOne.median, MIN_FOUR_TO_ONE)] : []),
    ];
  });
}

function target(name: string, value: number, least: number): Target {
  return { name, value: two(value), limit: `>= ${two(least)}`, isMet: value >= least };
}
