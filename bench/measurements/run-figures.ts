import type { Density, Level, LoadResult } from '../peer.ts';
import type { Spread } from '../statistics.ts';
import { median, spread } from '../statistics.ts';
import type { Run } from './rounds.ts';
import { levelName } from './rounds.ts';

/** What a peer did at a level, over all rounds that count; what its generator does not measure is absent. */
export interface MeasuredLevel {
  readonly inFlight: number;
  readonly pipelined?: number;
  readonly perSecond: Spread;
  readonly p50Ms?: Spread;
  readonly p99Ms?: Spread;
  readonly generatorMicros?: Spread;
  readonly serverMicros?: Spread;
  /** Medians. */
  readonly threads?: Readonly<Record<string, number>>;
}

/** A peer with its figures. */
export interface MeasuredPeer {
  readonly name: string;
  readonly work: string;
  readonly levels: readonly MeasuredLevel[];
  /** After all loads. */
  readonly density: Density;
  /** Whether it is our server. */
  readonly isOurs: boolean;
}

/** One side of a ratio. */
export interface Side {
  readonly peer: string;
  /** Orders in flight; absent means the level without a pipeline at which the peer was fastest. */
  readonly inFlight?: number;
  readonly pipelined?: number;
}

/** A ratio to report, and its goal if it has one. */
export interface RatioSpec {
  readonly of: Side;
  readonly to: Side;
  /** Throughput unless said otherwise. */
  readonly by?: 'p50Ms';
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Ratio extends RatioSpec {
  readonly name: string;
  /** Taken within each round, because the noise of a machine changes more slowly than that. */
  readonly value: Spread;
}

/** What the runs of all rounds that count add up to. */
export class RunFigures {
  readonly #runs: readonly Run[];

  constructor(runs: readonly Run[]) {
    this.#runs = runs.filter(({ round }) => round > 0);
  }

  levels(peer: string): MeasuredLevel[] {
    const levels = new Map(this.#of(peer).map(({ level }) => [levelName(level), level]));
    return [...levels.values()].map((level) => this.#measured(peer, level));
  }

  /** Undefined if one of the sides was not measured. */
  ratio(spec: RatioSpec): Ratio | undefined {
    const [of, to] = [this.#values(spec.of, spec.by), this.#values(spec.to, spec.by)];
    if (!of || !to) return undefined;
    const name = `${spec.by === 'p50Ms' ? 'p50 of ' : ''}${of.name} / ${to.name}`;
    return { ...spec, name, value: spread(of.values.map((value, round) => value / to.values[round]!)) };
  }

  #values(side: Side, by: 'perSecond' | 'p50Ms' = 'perSecond'): { name: string; values: number[] } | undefined {
    const level = side.inFlight === undefined ? this.#best(side.peer) : (side as Level);
    if (!level) return undefined;
    const values = this.#at(side.peer, level).map((result) => result[by] ?? Number.NaN);
    const best = side.inFlight === undefined ? 'its best, ' : '';
    return values.length === 0 ? undefined : { name: `${side.peer} at ${best}${levelName(level)}`, values };
  }

  #best(peer: string): Level | undefined {
    const levels = this.levels(peer).filter(({ pipelined }) => pipelined === undefined);
    return levels.toSorted((a, b) => b.perSecond.median - a.perSecond.median)[0];
  }

  #measured(peer: string, level: Level): MeasuredLevel {
    const results = this.#at(peer, level);
    const spreadOf = (key: keyof LoadResult & ('p50Ms' | 'p99Ms' | 'generatorMicros' | 'serverMicros')) => {
      const values = results.map((result) => result[key]).filter((value) => value !== undefined);
      return values.length === 0 ? {} : { [key]: spread(values) };
    };
    return {
      ...level,
      perSecond: spread(results.map(({ perSecond }) => perSecond)),
      ...spreadOf('p50Ms'),
      ...spreadOf('p99Ms'),
      ...spreadOf('generatorMicros'),
      ...spreadOf('serverMicros'),
      ...threadsOf(results),
    };
  }

  #of(peer: string): Run[] {
    return this.#runs.filter((run) => run.peer === peer);
  }

  /** In the order of the rounds. */
  #at(peer: string, level: Level): LoadResult[] {
    return this.#of(peer)
      .filter((run) => levelName(run.level) === levelName(level))
      .map(({ result }) => result);
  }
}

function threadsOf(results: readonly LoadResult[]): { threads?: Record<string, number> } {
  const names = new Set(results.flatMap(({ threads = {} }) => Object.keys(threads)));
  if (names.size === 0) return {};
  const share = (name: string) => median(results.map(({ threads }) => threads?.[name] ?? 0));
  return { threads: Object.fromEntries([...names].map((name) => [name, share(name)])) };
}
