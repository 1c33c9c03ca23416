import type { PostgresThroughput } from '../measurements/postgres.ts';
import type { Section, Target } from './section.ts';
import { range, target, time, whole } from './section.ts';

export function postgresSections({ version, rounds, levels, answered }: PostgresThroughput): Section[] {
  const rows = levels.map(({ inFlight, perSecond, p50Ms, p99Ms, fourToOne }) => [
    String(inFlight),
    range(perSecond.oneServer, 0),
    `${time(p50Ms.oneServer.median)}, ${time(p99Ms.oneServer.median)}`,
    range(perSecond.fourServers, 0),
    `${time(p50Ms.fourServers.median)}, ${time(p99Ms.fourServers.median)}`,
    range(fourToOne),
  ]);
  const head = ['in flight', 'one server /s', 'p50, p99 ms', 'four servers /s', 'p50, p99 ms', 'share of one server'];
  return [
    {
      title: 'Several servers on one PostgreSQL',
      table: { head, rows },
      notes: [
        `PostgreSQL ${version} on the same cores, without a standby; medians of ${rounds} rounds. Both are called by as many ` +
          `generators. No hole and no repeat in ${whole(answered)} orders.`,
      ],
    },
  ];
}

export function postgresTargets({ levels }: PostgresThroughput): Target[] {
  const at400 = levels.filter(({ inFlight }) => inFlight === 400);
  return at400.map(({ fourToOne }) => target('four servers / one, 400 in flight', fourToOne.median, { atLeast: 0.9 }));
}
