import type { Counts, RunRecord } from '../frame/record.ts';
import { roundsOf } from './rounds.ts';

/** What several runs of a test did, with other seeds. */
export interface Runs extends Omit<RunRecord, 'seed' | 'date' | 'commit' | 'command'> {
  readonly seeds: readonly number[];
  readonly dates: readonly string[];
  readonly commits: readonly string[];
  readonly commands: readonly string[];
}

/** The runs of each test on each engine, together. */
export function runsOf(records: readonly RunRecord[]): readonly Runs[] {
  const tests = Map.groupBy(records, ({ file, test, engine }) => `${file} ${test} ${engine}`);
  return [...tests.values()].map(together);
}

export function sumOfCounts(records: readonly { readonly counts: Counts }[]): Counts {
  return sum(records.map(({ counts }) => ({ ...counts }))) as unknown as Counts;
}

export function unique<Value>(values: readonly Value[]): readonly Value[] {
  return [...new Set(values)];
}

function together(records: readonly RunRecord[]): Runs {
  const { seed: _seed, date: _date, commit: _commit, command: _command, ...last } = records.at(-1)!;
  return {
    ...last,
    rounds: records.reduce((rounds, record) => rounds + roundsOf(record), 0),
    seeds: unique(records.map(({ seed }) => seed)),
    dates: unique(records.map(({ date }) => date)),
    commits: unique(records.map(({ commit }) => commit)),
    injected: sum(records.map(({ injected }) => injected)),
    counts: sumOfCounts(records),
    controls: Object.assign({}, ...records.map(({ controls }) => controls)) as Record<string, string>,
    commands: unique(records.map(({ command }) => command)),
  };
}

function sum(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const each of counts) for (const [name, n] of Object.entries(each)) sums[name] = (sums[name] ?? 0) + n;
  return sums;
}
