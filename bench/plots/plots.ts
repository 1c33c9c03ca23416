import type { MeasuredLevel } from '../measurements/run-figures.ts';
import type { Comparison } from '../measurements/comparison.ts';
import type { LedgerSize } from '../measurements/ledger-size.ts';
import type { OpenLoop, Way } from '../measurements/open-loop.ts';
import type { Stores } from '../measurements/stores.ts';
import type { Measured } from '../report/result.ts';
import type { Line, Plot } from './render.ts';
import { shortNumber } from './render.ts';

/** The peers that are drawn, in the order of their colors, with titles for readers. */
const SHOWN: readonly { readonly peer: string; readonly title: string }[] = [
  { peer: 'client', title: 'client, combined' },
  { peer: 'allocate-order', title: 'one call each' },
  { peer: 'echo', title: 'echo' },
  { peer: 'client-single', title: 'client, one call each' },
  { peer: 'one-per-call', title: 'one transaction each' },
];
const IN_FLIGHT = { name: 'orders in flight', scale: 'log' } as const;
const PER_SECOND = { name: 'orders per second', scale: 'log' } as const;
const MS = { name: 'milliseconds', scale: 'log' } as const;

/** How each kind of measurement is drawn. */
const DRAWN: { readonly [Key in keyof Measured]: (measured: NonNullable<Measured[Key]>) => Plot[] } = {
  comparison: (comparison) => [throughput(comparison), latency(comparison)],
  openLoop: (openLoop) => [fixedRates(openLoop)],
  // One size is a point, and no line.
  ledgerSize: ({ ledgers }) => (new Set(ledgers.map(({ rows }) => rows)).size > 1 ? [sizes({ ledgers })] : []),
  stores: (measured) => [stores(measured)],
};

/** The plots of one kind of measurement; none if it has none, or was not measured. */
export function plotsOf<Key extends keyof Measured>(kind: Key, measured: Measured): Plot[] {
  const draw: ((measured: NonNullable<Measured[Key]>) => Plot[]) | undefined = DRAWN[kind];
  const part = measured[kind];
  return draw === undefined || part === undefined ? [] : draw(part);
}

function throughput({ peers }: Comparison): Plot {
  const lines = SHOWN.flatMap(({ peer, title }, color): Line[] => {
    const found = peers.find(({ name }) => name === peer);
    const points = found?.levels.map((level) => [level.inFlight, level.perSecond.median] as const);
    return points ? [{ name: title, color, points }] : [];
  });
  return { file: 'throughput.svg', title: 'Throughput against orders in flight', x: IN_FLIGHT, y: PER_SECOND, lines };
}

function latency({ peers }: Comparison): Plot {
  const lines = SHOWN.slice(0, 2).flatMap(({ peer, title }, color): Line[] => {
    const levels = peers.find(({ name }) => name === peer)?.levels;
    if (!levels) return [];
    const points = (of: 'p50Ms' | 'p99Ms') => levels.flatMap((level) => pointOf(level, of));
    return [
      { name: `${title}, p50`, color, points: points('p50Ms') },
      { name: `${title}, p99`, color, isDashed: true, points: points('p99Ms') },
    ];
  });
  return { file: 'latency.svg', title: 'Latency against orders in flight', x: IN_FLIGHT, y: MS, lines };
}

function fixedRates({ ways }: OpenLoop): Plot {
  const lines = (['combined', 'one per call'] as const satisfies readonly Way[]).flatMap((way, color): Line[] => {
    const points = (of: 'p50Ms' | 'p99Ms') => ways[way].map((point) => [point.offered, point[of].median] as const);
    return [
      { name: `${way}, p50`, color, points: points('p50Ms') },
      { name: `${way}, p99`, color, isDashed: true, points: points('p99Ms') },
    ];
  });
  const x = { name: 'orders per second that are due', scale: 'log' } as const;
  return { file: 'open-loop.svg', title: 'Latency at fixed rates, from when an order was due', x, y: MS, lines };
}

function sizes({ ledgers }: Pick<LedgerSize, 'ledgers'>): Plot {
  const lines = (['uuidv7', 'uuidv4'] as const).map((keys, color): Line => {
    const points = ledgers
      .filter((ledger) => ledger.keys === keys)
      .map(({ rows, perSecond }) => [shortNumber(rows), perSecond.median] as const);
    return { name: keys === 'uuidv7' ? 'UUIDv7 keys, in the order of time' : 'UUIDv4 keys, random', color, points };
  });
  return {
    file: 'ledger-size.svg',
    title: 'Throughput against the size of the ledger',
    x: { name: 'rows in the ledger', scale: 'category' },
    y: { name: 'orders per second', scale: 'linear' },
    lines,
  };
}

function stores({ points }: Stores): Plot {
  return {
    file: 'stores.svg',
    title: 'Throughput against the number of stores',
    x: { name: 'stores', scale: 'log' },
    y: { name: 'orders per second', scale: 'linear' },
    lines: [
      {
        name: 'client, combined, 2,000 in flight',
        color: 0,
        points: points.map(({ stores: number, level }) => [number, level.perSecond.median]),
      },
    ],
  };
}

function pointOf(level: MeasuredLevel, of: 'p50Ms' | 'p99Ms'): (readonly [number, number])[] {
  const value = level[of]?.median;
  return value === undefined ? [] : [[level.inFlight, value]];
}
