import type { LedgerSize, SizedLedger } from '../measurements/ledger-size.ts';
import type { PostgresThroughput } from '../measurements/postgres.ts';
import type { Start, StartTimes } from '../measurements/start.ts';
import type { Stores } from '../measurements/stores.ts';
import type { Surface, Watching } from '../measurements/surface.ts';
import type { Section, Target } from './section.ts';
import { megabytes, range, target, time, whole } from './section.ts';

const MAX_START_MS = 1000;
const COMMANDS: readonly { readonly name: keyof StartTimes; readonly title: string; readonly maxMs: number }[] = [
  { name: 'version', title: 'order-numbers --version', maxMs: 200 },
  { name: 'help', title: 'order-numbers --help', maxMs: 200 },
  { name: 'allocate', title: 'order-numbers allocate, server running', maxMs: 350 },
  { name: 'serve', title: 'order-numbers serve, to "serving"', maxMs: 600 },
];

export function ledgerSizeSections({ inFlight, rounds, ledgers }: LedgerSize): Section[] {
  const head = [
    'rows',
    'keys',
    'size',
    'orders /s',
    'of a new ledger',
    'start ms',
    'after kill -9',
    'new, oldest p50 ms',
  ];
  const rows = ledgers.map((one) => [
    whole(one.rows),
    one.keys,
    megabytes(one.bytes),
    range(one.perSecond, 0),
    range(one.toNew),
    whole(one.startMs.median),
    whole(one.startAfterKillMs.median),
    one.rows === 0 ? '' : `${time(one.freshP50Ms.median)}, ${time(one.replayP50Ms.median)}`,
  ]);
  return [
    {
      title: 'Size of the ledger',
      table: { head, rows },
      notes: [
        `One combining client with ${whole(inFlight)} in flight, medians of ${rounds} rounds; a new ledger is measured in the ` +
          'same rounds. UUIDv7 keys are in the order of time, UUIDv4 keys are random. The last column has lone orders: new ' +
          'ones, and repeats of the oldest keys.',
      ],
    },
  ];
}

export function ledgerSizeTargets({ ledgers }: LedgerSize): Target[] {
  return ledgers.filter(({ rows }) => rows > 0).flatMap(sizeTargets);
}

function sizeTargets({ rows, keys, toNew, startMs, startAfterKillMs, replayToFresh }: SizedLedger): Target[] {
  const name = `${whole(rows)} rows, ${keys}`;
  const throughput = target(`${name}: throughput / new ledger`, toNew.median, { atLeast: 0.9 });
  return [
    ...(keys === 'uuidv7' ? [throughput] : []),
    target(`${name}: start, ms`, startMs.median, { atMost: MAX_START_MS }, whole),
    target(`${name}: start after kill -9, ms`, startAfterKillMs.median, { atMost: MAX_START_MS }, whole),
    target(`${name}: repeat of the oldest / new, p50`, replayToFresh.median, { atMost: 2 }),
  ];
}

export function storesSections({ rounds, points }: Stores): Section[] {
  const rows = points.map(({ stores, level: { perSecond, p50Ms, p99Ms, serverMicros } }) => [
    whole(stores),
    range(perSecond, 0),
    p50Ms ? time(p50Ms.median) : '',
    p99Ms ? time(p99Ms.median) : '',
    serverMicros ? whole(serverMicros.median) : '',
  ]);
  return [
    {
      title: 'Number of stores',
      table: { head: ['stores', 'orders /s', 'p50 ms', 'p99 ms', 'server µs'], rows },
      notes: [
        `One combining client with 2,000 in flight, medians of ${rounds} rounds; each number has its own ledger.`,
      ],
    },
  ];
}

export function surfaceSections({ readings, server, watching, watchingCombined }: Surface): Section[] {
  const { listed, watched, verified, peakBytes } = readings;
  return [
    {
      title: 'Reading and watching',
      notes: [
        `${whole(listed.allocations)} allocations: listed ${rateOf(listed)}, watched from 0 ${rateOf(watched)}, verified ` +
          `${rateOf(verified)}; server ${megabytes(server.peak)} at most, client ${megabytes(peakBytes)}.`,
        `64 in flight over ${watching.watchers} stores, one call per order: ${watchingText(watching)}`,
        `The same, combined: ${watchingText(watchingCombined)}`,
      ],
    },
  ];
}

export function surfaceTargets({ readings, watching }: Surface): Target[] {
  const { listed, watched, verified } = readings;
  const verifiedPerSecond = (verified.allocations / verified.ms) * 1000;
  const difference = new Set([listed.allocations, watched.allocations, verified.allocations]).size - 1;
  return [
    target('differences between listed, watched and verified', difference, { atMost: 0 }, whole),
    target('rows verified per second', verifiedPerSecond, { atLeast: 500_000 }, whole),
    target('throughput with watchers / without, one call per order', watching.ratio.median, { atLeast: 0.8 }),
    target('highest lag of a watcher, ms', watching.latestMs, { atMost: 1000 }, whole),
  ];
}

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

export function startSections({ warm, cold }: Start): Section[] {
  const rows = COMMANDS.map(({ name, title }) => [title, range(warm[name], 0), range(cold[name], 0)]);
  return [{ title: 'Start', table: { head: ['start, ms', 'warm', 'cold'], rows }, notes: [] }];
}

export function startTargets({ warm }: Start): Target[] {
  return COMMANDS.map(({ name, title, maxMs }) => target(`${title}, ms`, warm[name].median, { atMost: maxMs }, whole));
}

function watchingText({ without, with: watched, ratio, latestMs, meanMs }: Watching): string {
  return (
    `${whole(without.median)}/s without watchers, ${whole(watched.median)}/s with one per store, ${range(ratio)} within a ` +
    `round; ${time(latestMs)} ms behind at most, ${time(meanMs)} on average.`
  );
}

function rateOf({ allocations, ms }: { readonly allocations: number; readonly ms: number }): string {
  return `${whole((allocations / ms) * 1000)}/s`;
}
