import type { RunRecord } from '../frame/record.ts';
import { countsText } from '../frame/tally.ts';
import type { Lab } from '../labs.ts';
import { number, table } from './markdown.ts';
import { namesOf, promisesIn } from './promises.ts';
import { sumOfCounts, unique } from './runs.ts';
import { injectedIn } from './units.ts';

/** More are only counted. */
const MAX_SEEDS = 3;
const MAX_COMMITS = 2;
const HEAD = [
  'lab',
  'faults injected',
  'engine',
  'promises',
  'rounds',
  'seeds',
  'acknowledged',
  'lost, twice, holes',
  'red controls',
  'date',
  'commit',
  'to repeat',
];

/** One sentence about all runs, and a table with a row for each lab. */
export function summaryOf(records: readonly RunRecord[], labs: readonly Lab[]): string {
  if (records.length === 0) return 'No long run is recorded yet.';
  const rows = labs.flatMap(({ name }) => {
    const ofLab = records.filter(({ lab }) => lab === name);
    return ofLab.length === 0 ? [] : [rowOf(name, ofLab)];
  });
  const sentence =
    `${number(records.length)} runs injected ${unitsText(records)}. Of all calls: ${countsText(sumOfCounts(records))}. ` +
    `${number(controlsOf(records))} negative controls, all red: the same run without the protection failed.`;
  return `${sentence}\n\n${table(HEAD, rows)}`;
}

function rowOf(name: string, records: readonly RunRecord[]): string[] {
  const { acknowledged, lost, twice, holes } = sumOfCounts(records);
  return [
    `[${name}](reliability-record.md#lab-${name})`,
    `${injectedIn(records).kinds} kinds: ${unitsText(records)}`,
    unique(records.map(({ engine }) => engine)).join(', '),
    namesOf(promisesIn(records.map(({ promises }) => promises).join(' '))),
    number(records.reduce((rounds, record) => rounds + record.rounds, 0)),
    few(unique(records.map(({ seed }) => String(seed))), MAX_SEEDS),
    number(acknowledged),
    [lost, twice, holes].map(number).join(', '),
    number(controlsOf(records)),
    unique(records.map(({ date }) => date)).join(', '),
    few(unique(records.map(({ commit }) => commit)), MAX_COMMITS),
    commandOf(name, records),
  ];
}

function unitsText(records: readonly RunRecord[]): string {
  return [...injectedIn(records).units].map(([unit, times]) => `${number(times)} ${unit}`).join(', ');
}

/** Each of a test counts once, however many runs it had. */
function controlsOf(records: readonly RunRecord[]): number {
  const names = records.flatMap(({ lab, test, controls }) =>
    Object.keys(controls).map((name) => `${lab} ${test} ${name}`),
  );
  return new Set(names).size;
}

/** All of them; or of many, how many there are. */
function few(values: readonly string[], most: number): string {
  return values.length <= most ? values.join(', ') : `${values.length} of them`;
}

/** What repeats the only run, or else the whole lab: the record has the command of each run. */
function commandOf(name: string, records: readonly RunRecord[]): string {
  const [command, ...others] = unique(records.map((record) => record.command));
  return others.length === 0 ? `\`${command}\`` : `\`make test-faults ARGS=${name}\``;
}
