import type { Measured, Result } from './result.ts';
import type { MeasuredLevel } from '../measurements/run-figures.ts';
import { time, toMarkdown, whole } from './section.ts';

const LEVELS = [1, 64, 400, 2000];
/** The peers of the table: one column for each. */
const COLUMNS = [
  { peer: 'client', title: '`client.allocate()`' },
  { peer: 'allocate-order', title: 'one call per order' },
  { peer: 'one-per-call', title: 'one transaction per order' },
] as const;

interface Figures {
  readonly name: string;
  readonly levels: readonly MeasuredLevel[];
}

/** The table of the README, and the best figures of the peers; empty if there is no comparison yet. */
export function readmeFigures(newest: ReadonlyMap<keyof Measured, Result>): string {
  const result = newest.get('comparison');
  if (!result?.comparison) return '';
  const { peers } = result.comparison;
  const { cpus } = result.machine;
  const intro =
    `On ${cpus} cores with the load generator on the same cores, ${result.date.slice(0, 10)}, commit ${result.commit} ` +
    '([all figures](docs/benchmarks.md), `make bench`); per second, with p50 and p99 in ms:';
  const rows = LEVELS.map((inFlight) => rowOf(peers, inFlight));
  const head = ['orders in flight', ...COLUMNS.map(({ title }) => title)];
  const table = toMarkdown({ title: '', table: { head, rows }, notes: [] }).replace(/^### \n\n/, '');
  return [intro, table, ...othersOf(newest.get('peers')?.peers?.peers)].join('\n\n');
}

function rowOf(peers: readonly Figures[], inFlight: number): string[] {
  const cells = COLUMNS.map(({ peer }) => cellOf(levelOf(peers, peer, inFlight)));
  return [whole(inFlight), ...cells];
}

function levelOf(peers: readonly Figures[], name: string, inFlight: number): MeasuredLevel | undefined {
  return peers.find((peer) => peer.name === name)?.levels.find((level) => level.inFlight === inFlight);
}

function cellOf(level: MeasuredLevel | undefined): string {
  if (!level) return '';
  const { perSecond, p50Ms, p99Ms } = level;
  const took = p50Ms && p99Ms ? ` (${time(p50Ms.median)}, ${time(p99Ms.median)})` : '';
  return whole(perSecond.median) + took;
}

function othersOf(peers: readonly Figures[] | undefined): string[] {
  const best = (peers ?? []).map(({ name, levels }) => {
    const most = Math.max(...levels.map(({ perSecond }) => perSecond.median));
    return `${name} ${whole(most)}`;
  });
  return best.length === 0
    ? []
    : [`[Others, at their best](docs/benchmarks.md), per second in one run: ${best.join(', ')}.`];
}
