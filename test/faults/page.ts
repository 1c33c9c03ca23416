import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as prettier from 'prettier';
import type { Counts, RunRecord } from './frame/record.ts';
import { RECORDS } from './frame/record.ts';
import { countsText } from './frame/tally.ts';
import type { Lab } from './labs.ts';
import { labs } from './labs.ts';

const PAGE = new URL('../../docs/reliability.md', import.meta.url).pathname;
const BEGIN = '<!-- begin: written by make test-faults ARGS=--page -->';
const END = '<!-- end -->';
/** Runs of one test with as many seeds have as many commands. */
const MAX_COMMANDS = 2;
/** A violation names calls and pairs; its beginning says enough. */
const MAX_SAYS = 160;

/** All records of long runs, in the order of their labs and names. */
export function readRecords(folder = RECORDS): readonly RunRecord[] {
  return globSync('*/*.json', { cwd: folder })
    .toSorted()
    .map((path) => JSON.parse(readFileSync(join(folder, path), 'utf8')) as RunRecord);
}

/** Writes what the records say into docs/reliability.md, between its marks. */
export async function writePage(): Promise<void> {
  writeFileSync(PAGE, withRecord(readFileSync(PAGE, 'utf8'), await recordText(readRecords())));
}

/** What stands between the marks of the page. */
export async function recordText(records: readonly RunRecord[], known: readonly Lab[] = labs()): Promise<string> {
  const sections = known.flatMap(({ name, what }) => {
    const ofLab = Map.groupBy(
      records.filter(({ lab }) => lab === name),
      ({ file, test, engine }) => `${file} ${test} ${engine}`,
    );
    return ofLab.size === 0 ? [] : [section(name, what, [...ofLab.values()].map(together))];
  });
  const text = [summary(records), ...sections].join('\n\n');
  const options = await prettier.resolveConfig(PAGE);
  return (await prettier.format(text, { ...options, parser: 'markdown', proseWrap: 'always' })).trim();
}

/** The page with `content` between its marks. */
export function withRecord(page: string, content: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END, begin);
  if (begin < 0 || end < 0) throw new Error(`the page needs the lines "${BEGIN}" and "${END}" around the record`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${content}\n\n${page.slice(end)}`;
}

function summary(records: readonly RunRecord[]): string {
  if (records.length === 0) return 'No long run is recorded yet.';
  const counts: Counts = { asked: 0, acknowledged: 0, found: 0, lost: 0, twice: 0, holes: 0 };
  for (const name of Object.keys(counts) as (keyof Counts)[]) {
    for (const record of records) counts[name] += record.counts[name];
  }
  const faults = records.flatMap(({ injected }) => Object.values(injected)).reduce((all, times) => all + times, 0);
  const controls = records.flatMap((record) => Object.keys(record.controls)).length;
  return (
    `${records.length} runs, ${number(faults)} faults injected: ${countsText(counts)}. ` +
    `${controls} negative controls, all red: the same run without the protection failed.`
  );
}

/** What several runs of a test did, with other seeds. */
interface Runs extends Omit<RunRecord, 'seed' | 'command'> {
  readonly seeds: string;
  readonly commands: readonly string[];
}

function together(records: readonly RunRecord[]): Runs {
  const { seed: _seed, command: _command, ...last } = records.at(-1)!;
  const unique = (name: 'seed' | 'date' | 'commit') => [...new Set(records.map((record) => record[name]))].join(', ');
  return {
    ...last,
    rounds: records.reduce((rounds, record) => rounds + record.rounds, 0),
    seeds: unique('seed'),
    date: unique('date'),
    commit: unique('commit'),
    injected: sum(records.map(({ injected }) => injected)),
    counts: sum(records.map(({ counts }) => ({ ...counts }))) as unknown as Counts,
    controls: Object.assign({}, ...records.map(({ controls }) => controls)) as Record<string, string>,
    commands: records.map(({ command }) => command),
  };
}

function sum(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const each of counts) for (const [name, n] of Object.entries(each)) sums[name] = (sums[name] ?? 0) + n;
  return sums;
}

function section(name: string, what: string, records: readonly Runs[]): string {
  const faults = records.flatMap((record, i) =>
    Object.entries(record.injected).map(([fault, times]) => [
      cell(fault),
      number(times),
      record.engine,
      record.promises,
      String(i + 1),
    ]),
  );
  const runs = records.map(({ test, file, rounds, seeds, date, commit }, i) => [
    String(i + 1),
    `\`${file}\`: ${cell(test)}`,
    number(rounds),
    seeds,
    date,
    commit,
  ]);
  const counts = records.map((record, i) => [String(i + 1), ...Object.values(record.counts).map(number)]);
  return [
    `### Lab ${name}: ${what}`,
    table(['fault', 'injected', 'engine', 'promises', 'run'], faults),
    table(['run', 'test', 'rounds', 'seeds', 'date', 'commit'], runs),
    table(['run', 'asked', 'acknowledged', 'found', 'lost', 'twice', 'holes'], counts),
    [...records.flatMap((record, i) => controlLines(record, i + 1)), ...repeatLines(records)].join('\n'),
  ].join('\n\n');
}

function controlLines({ controls }: Runs, run: number): string[] {
  return Object.entries(controls).map(([control, says]) => {
    const short = says.length > MAX_SAYS ? `${says.slice(0, MAX_SAYS)}…` : says;
    return `- Control of run ${run}, red: ${cell(control)}: ${cell(short)}`;
  });
}

function repeatLines(records: readonly Runs[]): string[] {
  const each = records.flatMap(({ commands }, i) => {
    if (commands.length <= MAX_COMMANDS) return commands.map((command) => ({ command, run: i + 1 }));
    return [{ command: commands[0]!.replace(/--seed \d+/, '--seed S'), run: i + 1 }];
  });
  const runs = Map.groupBy(each, ({ command }) => command);
  return [...runs].map(([command, ofCommand]) => {
    return `- Run ${ofCommand.map(({ run }) => run).join(', ')} again: \`${command}\``;
  });
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Text in a table, without what Markdown would make of it. */
function cell(text: string): string {
  return text.replaceAll(/[|*_<>`[\]]/g, (mark) => `\\${mark}`);
}

function number(value: number): string {
  return value.toLocaleString('en');
}
