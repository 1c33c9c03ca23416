import type { Comparison } from '../measurements/comparison.ts';
import type { MeasuredLevel, MeasuredPeer, Ratio } from '../measurements/run-figures.ts';
import { levelName } from '../measurements/rounds.ts';
import type { Spread } from '../statistics.ts';
import type { Section, Target } from './section.ts';
import { range, target, time, whole } from './section.ts';

/** The threads of our server in the table: their names on Linux, and their titles. */
const THREADS: readonly (readonly [string, string])[] = [
  ['main', 'event loop'],
  ['writer', 'writer'],
];
const NUMBERS_PER_CALL = 1000;
/** The goals in numbers per second, by the calls in flight. */
const MIN_NUMBERS: Readonly<Record<number, number>> = { 8: 1_200_000, 64: 4_900_000 };
export const LEVEL_HEAD = [
  'peer',
  'in flight',
  'orders /s',
  'p50 ms',
  'p99 ms',
  'server µs',
  'generator µs',
  'shares of a core',
];

export function comparisonSections(comparison: Comparison): Section[] {
  const { rounds, seconds, peers, ratios, leftOut, appendP50Ms } = comparison;
  return [
    {
      title: 'Orders per second',
      table: {
        head: LEVEL_HEAD,
        rows: peers.flatMap(({ name, levels }) => levels.map((level) => levelRow(name, level))),
      },
      notes: [
        `Medians of ${rounds} rounds of ${seconds} s; orders per second with the lowest and the highest. Microseconds of ` +
          'processor time per order, of the server and of the generator.',
        ...peers.map(({ name, work }) => `${name}: ${work}.`),
        ...Object.entries(leftOut).map(([name, why]) => `Left out: ${name}, because ${why}.`),
        `An append of 4 KiB with fsync takes ${time(appendP50Ms)} ms (p50).`,
      ],
    },
    ratiosSection('Ratios', ratios),
    densities(peers.filter(({ isOurs }) => isOurs)),
  ];
}

export function comparisonTargets({ ratios, peers }: Comparison): Target[] {
  return [...ratioTargets(ratios), ...numbersTargets(peers), densityTarget(peers)];
}

export function ratiosSection(title: string, ratios: readonly Ratio[]): Section {
  return {
    title,
    table: {
      head: ['ratio within a round', 'median (lowest–highest)', 'goal'],
      rows: ratios.map((ratio) => [ratio.name, range(ratio.value), goalOf(ratio)]),
    },
    notes: [],
  };
}

/** The goals of the ratios that have one. */
export function ratioTargets(ratios: readonly Ratio[]): Target[] {
  const bounded = ratios.filter(({ atLeast, atMost }) => atLeast !== undefined || atMost !== undefined);
  return bounded.map((ratio) => target(ratio.name, ratio.value.median, ratio));
}

/** A row below {@link LEVEL_HEAD}. */
export function levelRow(name: string, level: MeasuredLevel): string[] {
  const { perSecond, p50Ms, p99Ms, serverMicros, generatorMicros } = level;
  return [
    name,
    levelName(level),
    range(perSecond, 0),
    medianCell(p50Ms, time),
    medianCell(p99Ms, time),
    medianCell(serverMicros, whole),
    medianCell(generatorMicros, whole),
    sharesOf(level),
  ];
}

function sharesOf({ threads }: MeasuredLevel): string {
  return THREADS.filter(([name]) => threads?.[name] !== undefined)
    .map(([name, title]) => `${title} ${threads![name]!.toFixed(2)}`)
    .join(', ');
}

function goalOf({ atLeast, atMost }: Ratio): string {
  if (atLeast !== undefined) return `≥ ${atLeast}`;
  return atMost === undefined ? '' : `≤ ${atMost}`;
}

/** Only of peers that store orders: an echo can lose nothing. */
function densities(peers: readonly MeasuredPeer[]): Section {
  const rows = peers.map(({ name, density: { orders, holes, repeats } }) => [
    name,
    whole(orders),
    whole(holes),
    whole(repeats),
  ]);
  return {
    title: 'Holes and repeats',
    table: { head: ['peer', 'orders stored', 'holes', 'repeats'], rows },
    notes: [],
  };
}

/** The goals in numbers instead of orders, because each call of this peer takes a run of numbers. */
function numbersTargets(peers: readonly MeasuredPeer[]): Target[] {
  const levels = peers.find(({ name }) => name === 'allocate-1000')?.levels ?? [];
  return levels.map(({ inFlight, perSecond: { median } }) => {
    const name = `allocate-1000 at ${inFlight}: numbers per second`;
    return target(name, median * NUMBERS_PER_CALL, { atLeast: MIN_NUMBERS[inFlight] }, whole);
  });
}

function densityTarget(peers: readonly MeasuredPeer[]): Target {
  const ours = peers.filter(({ isOurs }) => isOurs);
  const found = ours.reduce((sum, { density: { holes, repeats } }) => sum + holes + repeats, 0);
  return target('holes and repeats in our ledgers', found, { atMost: 0 }, whole);
}

function medianCell(value: Spread | undefined, format: (value: number) => string): string {
  return value ? format(value.median) : '';
}
