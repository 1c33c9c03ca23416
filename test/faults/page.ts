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
    const ofLab = records.filter(({ lab }) => lab === name);
    return ofLab.length === 0 ? [] : [section(name, what, ofLab)];
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
  const faults = records.flatMap(({ injected }) => Object.values(injected)).reduce((sum, times) => sum + times, 0);
  const controls = records.flatMap((record) => Object.keys(record.controls)).length;
  return (
    `${records.length} runs, ${number(faults)} faults injected: ${countsText(counts)}. ` +
    `${controls} negative controls, all red: the same run without the protection failed.`
  );
}

function section(name: string, what: string, records: readonly RunRecord[]): string {
  const faults = records.flatMap((record, i) =>
    Object.entries(record.injected).map(([fault, times]) => [
      cell(fault),
      number(times),
      record.engine,
      record.promises,
      String(i + 1),
    ]),
  );
  const runs = records.map(({ test, file, rounds, seed, date, commit }, i) => [
    String(i + 1),
    `\`${file}\`: ${cell(test)}`,
    number(rounds),
    String(seed),
    date,
    commit,
  ]);
  const counts = records.map((record, i) => [String(i + 1), ...Object.values(record.counts).map(number)]);
  return [
    `### Lab ${name}: ${what}`,
    table(['fault', 'injected', 'engine', 'promises', 'run'], faults),
    table(['run', 'test', 'rounds', 'seed', 'date', 'commit'], runs),
    table(['run', 'asked', 'acknowledged', 'found', 'lost', 'twice', 'holes'], counts),
    [...records.flatMap((record, i) => controlLines(record, i + 1)), ...repeatLines(records)].join('\n'),
  ].join('\n\n');
}

function controlLines({ controls }: RunRecord, run: number): string[] {
  return Object.entries(controls).map(([control, says]) => {
    const short = says.length > MAX_SAYS ? `${says.slice(0, MAX_SAYS)}…` : says;
    return `- Control of run ${run}, red: ${cell(control)}: ${cell(short)}`;
  });
}

function repeatLines(records: readonly RunRecord[]): string[] {
  const runs = Map.groupBy(records.entries(), ([, { command }]) => command);
  return [...runs].map(([command, ofCommand]) => {
    const numbers = ofCommand.map(([i]) => i + 1);
    return `- Run ${numbers.join(', ')} again: \`${command}\``;
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
