import type { Counts, RunRecord } from '../frame/record.ts';
import type { Lab } from '../labs.ts';
import { number, table } from './markdown.ts';
import { namesOf, promisesIn } from './promises.ts';
import { roundsOf } from './rounds.ts';
import { sumOfCounts, unique } from './runs.ts';
import { injectedIn } from './units.ts';

/** More are only counted. */
const MAX_SEEDS = 3;
const MAX_COMMITS = 2;
/** A lab that counts no calls. */
const NONE = '–';
/** Labs that make no real calls. */
const SIMULATORS: ReadonlySet<string> = new Set(['simulator', 'dynamodb']);
const FOUND_HEAD = ['lab', 'engine', 'promises', 'rounds', 'answered', 'lost, twice, holes', 'controls that failed'];
const DONE_HEAD = ['lab', 'injected', 'seeds', 'date', 'commit', 'to repeat'];

interface RecordsOfLab {
  readonly link: string;
  readonly name: string;
  readonly records: readonly RunRecord[];
}

/** What all runs came to, and two tables with a row for each lab. */
export function summaryOf(records: readonly RunRecord[], labs: readonly Lab[]): string {
  if (records.length === 0) return 'No long run is recorded yet.';
  const ofLabs = labs
    .map(({ name }): RecordsOfLab => {
      const ofLab = records.filter(({ lab }) => lab === name);
      return { link: `[${name}](reliability-record.md#lab-${name})`, name, records: ofLab };
    })
    .filter((lab) => lab.records.length > 0);
  return [
    sentences(records),
    table(
      ['injected in all labs', 'times'],
      [...injectedIn(records).units].map(([unit, n]) => [unit, number(n)]),
    ),
    'What held:',
    table(FOUND_HEAD, ofLabs.map(foundRow)),
    'What was injected, and how to repeat it:',
    table(DONE_HEAD, ofLabs.map(doneRow)),
  ].join('\n\n');
}

function sentences(records: readonly RunRecord[]): string {
  const { asked, acknowledged, lost, twice, holes } = sumOfCounts(records);
  const simulated = sumOfCounts(records.filter(({ lab }) => SIMULATORS.has(lab))).asked ?? 0;
  return (
    `${plural(records.length, 'recorded run')} made ${plural(asked, 'call')}, ${number(simulated)} of them simulated. ` +
    `${number(acknowledged)} calls were answered with a pair of numbers; the others were refused or got no answer. ` +
    `${number(lost)} pairs were lost, ${number(twice)} were given twice, and ${number(holes)} numbers are missing. ` +
    `${plural(controlsOf(records), 'control')} failed, as a control must; none passed.`
  );
}

function foundRow({ link, records }: RecordsOfLab): string[] {
  const counts = sumOfCounts(records);
  return [
    link,
    unique(records.map(({ engine }) => engine)).join(', '),
    namesOf(promisesIn(records.map(({ promises }) => promises).join(' '))),
    number(records.reduce((rounds, record) => rounds + roundsOf(record), 0)),
    counts.asked === 0 ? NONE : number(counts.acknowledged),
    violationsOf(counts),
    number(controlsOf(records)),
  ];
}

function violationsOf({ asked, lost, twice, holes }: Counts): string {
  return asked === 0 ? NONE : [lost, twice, holes].map(number).join(', ');
}

function doneRow({ link, name, records }: RecordsOfLab): string[] {
  const { kinds, units } = injectedIn(records);
  const times = [...units].map(([unit, n]) => `${number(n)} ${unit}`).join('; ');
  return [
    link,
    `${times} (${plural(kinds, 'kind')})`,
    few(unique(records.map(({ seed }) => String(seed))), MAX_SEEDS, 'seeds'),
    unique(records.map(({ date }) => date)).join(', '),
    few(unique(records.map(({ commit }) => commit)), MAX_COMMITS, 'commits'),
    commandOf(name, records),
  ];
}

/** Each of a test counts once, however many runs it had. */
function controlsOf(records: readonly RunRecord[]): number {
  const names = records.flatMap(({ lab, test, controls }) =>
    Object.keys(controls).map((name) => `${lab} ${test} ${name}`),
  );
  return new Set(names).size;
}

function plural(count: number, name: string): string {
  return `${number(count)} ${name}${count === 1 ? '' : 's'}`;
}

/** All of them; or of many, how many there are. */
function few(values: readonly string[], most: number, name: string): string {
  return values.length <= most ? values.join(', ') : `${values.length} ${name}`;
}

/** What repeats the only run, or else the whole lab: the record has the command of each run. */
function commandOf(name: string, records: readonly RunRecord[]): string {
  const [command, ...others] = unique(records.map((record) => record.command));
  return others.length === 0 ? `\`${command}\`` : `\`make test-faults ARGS=${name}\``;
}
