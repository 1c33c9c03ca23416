import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { documentAt, tableRows } from '../project/documents.ts';
import type { RunRecord } from './frame/record.ts';
import { labs } from './labs.ts';
import { readRoomRecords } from './mutation/room-record.ts';
import { PAGE, readRecords, RECORD_PAGE, recordText, summaryText, withParts } from './page.ts';
import { countsAt, countsRow, titlesIn } from './pages/counts.ts';
import { namesOf, promisesIn } from './pages/promises.ts';
import { roundText } from './pages/rounds.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const RECORDS = readRecords();
/** What tests a lab, or this page, and injects nothing. */
const NO_FAULTS =
  /^test\/faults\/((frame|history|pages|planted|seeded)\/|page\.test|damage\/damage-table|simulator\/(engine\/|judge)|power\/patches)/;

const RECORD: RunRecord = {
  lab: 'failover',
  test: 'P1 P4: what holds | or not',
  file: 'test/faults/failover/failover.test.ts',
  engine: 'PostgreSQL',
  promises: 'P1 P4',
  rounds: 1200,
  seed: 7,
  date: '2026-11-27',
  commit: '0123456789',
  command: 'make test-faults ARGS="failover --rounds 1200 --seed 7"',
  injected: { 'primary killed': 1000, 'cut after COMMIT': 200 },
  counts: { asked: 12_000, acknowledged: 11_000, found: 11_000, lost: 0, twice: 0, holes: 0 },
  controls: { 'no synchronous standby': 'order_id 5 is lost' },
};

describe('the record in the docs', () => {
  it('is what the records say: make test-faults ARGS=--page writes it', async () => {
    const page = readFileSync(PAGE, 'utf8');
    expect(page).toBe(await withParts(page, RECORDS, readRoomRecords()));
    expect(readFileSync(RECORD_PAGE, 'utf8')).toBe(await recordText(RECORDS));
  });

  it('says what all labs came to, and has a row for each in two tables', async () => {
    const text = plain(await summaryText([RECORD]));
    expect(text).toContain(
      '1 recorded run made 12,000 calls, 0 of them simulated. 11,000 calls were answered with a pair of numbers; the ' +
        'others were refused or got no answer. 0 pairs were lost, 0 were given twice, and 0 numbers are missing. ' +
        '1 control failed, as a control must; none passed.',
    );
    expect(text).toContain('| kills | 1,000 | | interrupted commits | 200 |');
    const lab = '| [failover](reliability-record.md#lab-failover) |';
    expect(text).toContain(`${lab} PostgreSQL | P1, P4 | 1,200 | 11,000 | 0, 0, 0 | 1 |`);
    const done = '1,000 kills; 200 interrupted commits (2 kinds)';
    expect(text).toContain(`${lab} ${done} | 7 | 2026-11-27 | 0123456789 | \`${RECORD.command}\` |`);
    const both = plain(await summaryText([RECORD, { ...RECORD, seed: 8, rounds: 300, command: 'another' }]));
    expect(both).toContain('| 1,500 | 22,000 | 0, 0, 0 | 1 |');
    expect(both).toContain('| 7, 8 | 2026-11-27 | 0123456789 | `make test-faults ARGS=failover` |');
  });

  it('counts the inputs of the lab fuzz, not what --rounds said, and no calls where none are counted', async () => {
    const counts = { asked: 0, acknowledged: 0, found: 0, lost: 0, twice: 0, holes: 0 };
    const wire = { ...RECORD, lab: 'fuzz', engine: 'SQLite', rounds: 6000, injected: { a: 100, b: 101 }, counts };
    expect(plain(await summaryText([wire]))).toContain('| SQLite | P1, P4 | 201 | – | – | 1 |');
    expect(plain(await recordText([wire]))).toContain('| 1 | 201 | – | – | – | – | – | – | 2026-11-27 |');
    const control = { ...RECORD, test: 'control: what is lost' };
    expect(plain(await recordText([control]))).toContain('| 1 | 1 | 12,000 | 11,000 | 11,000 |');
  });

  it('shows every fault of a run with its engine, promises, rounds, seed, date, commit and command', async () => {
    const text = plain(await recordText([RECORD]));
    expect(text).toContain(`1. P1 P4: ${String.raw`what holds \| or not`} (\`${RECORD.file}\`)`);
    expect(text).toContain('| 1 | 1,200 | 12,000 | 11,000 | 11,000 | 0 | 0 | 0 | 2026-11-27 | 0123456789 | 7 |');
    expect(text).toContain('| cut after COMMIT | 200 | PostgreSQL | P1, P4 | 1 | | primary killed | 1,000 |');
    expect(text.replaceAll('\\', '')).toContain('- Run 1, no synchronous standby: order_id 5 is lost');
    expect(text).toContain(`- Run 1: \`${RECORD.command}\``);
  });

  it('says what a round is, of each lab', () => {
    expect(labs().filter(({ name }) => roundText(name) === '')).toEqual([]);
  });

  it('adds up the runs of a test with several seeds', async () => {
    const text = plain(await recordText([RECORD, { ...RECORD, seed: 8, rounds: 300 }]));
    expect(text).toContain('| primary killed | 2,000 | PostgreSQL | P1, P4 | 1 |');
    expect(text).toContain('| 1 | 1,500 | 24,000 | 22,000 | 22,000 | 0 | 0 | 0 | 2026-11-27 | 0123456789 | 7, 8 |');
    const seeded = (seed: number) => ({ ...RECORD, seed, command: RECORD.command.replace('7', `${seed}`) });
    const many = plain(await recordText([7, 8, 9].map(seeded)));
    expect(many).toContain('Run 1: `make test-faults ARGS="failover --rounds 1200 --seed S"`, where S is 7, 8, 9');
    const longer = { ...seeded(10), rounds: 5, command: seeded(10).command.replace('1200', '5') };
    const mixed = plain(await recordText([...[7, 8, 9].map(seeded), longer]));
    expect(mixed).toContain('`make test-faults ARGS="failover --rounds 1200 --seed S"`, where S is 7, 8, 9');
    expect(mixed).toContain('`make test-faults ARGS="failover --rounds 5 --seed 10"`');
  });

  it('names a lab in each record, and a red control for each lab', () => {
    const names = new Set(labs().map(({ name }) => name));
    expect(RECORDS.filter(({ lab }) => !names.has(lab))).toEqual([]);
    const recorded = new Set(RECORDS.map(({ lab }) => lab));
    const controlled = new Set(RECORDS.flatMap(({ lab, controls }) => (Object.keys(controls).length > 0 ? [lab] : [])));
    expect([...recorded].filter((lab) => !controlled.has(lab))).toEqual([]);
  });

  it('takes a name with values for the name of its test', () => {
    expect(becomes('rejects $what.name on %s (now)', 'rejects a hole on SQLite (now)')).toBe(true);
    expect(becomes('rejects $what on %s', 'accepts a hole on SQLite')).toBe(false);
    expect(isNamed('takes a name with values for the name of its test', 'test/faults')).toBe(true);
    expect(isNamed('no test is called '.repeat(2), 'test/faults')).toBe(false);
  });

  it.for(RECORDS)('$lab: $test: exists, and held', ({ file, test, counts, injected }) => {
    expect(existsSync(join(ROOT, file))).toBe(true);
    expect(isNamed(test, dirname(file))).toBe(true);
    expect(counts).toMatchObject({ lost: 0, twice: 0, holes: 0 });
    expect(Object.values(injected).every((times) => times > 0)).toBe(true);
  });

  it('names only commits that are here', () => {
    if (!hasHistory()) return;
    const here = git('rev-list', 'HEAD').stdout.split('\n');
    const commits = [...new Set(RECORDS.map(({ commit }) => commit))];
    expect(commits.filter((commit) => here.filter((hash) => hash.startsWith(commit)).length !== 1)).toEqual([]);
  });
});

describe('the table of faults', () => {
  it('has a row for every test of a lab, or for the suite that it runs', () => {
    const rows = sectionOf('Which fault each test injects');
    const isListed = (file: string) => rows.includes(`](../${file})`);
    const tests = globSync('test/faults/**/*.test.ts', { cwd: ROOT }).filter((file) => !NO_FAULTS.test(file));
    expect(tests.length).toBeGreaterThan(30);
    expect(tests.filter((file) => ![file, ...suitesOf(file)].some(isListed))).toEqual([]);
  });
});

describe('the table of planted bugs', () => {
  it('has as many as there are, by their folders', () => {
    const text = sectionOf('Planted bugs');
    const rows = [...text.matchAll(/^\| (`[^|]*)\| (\d+) /gm)].map(([, folders = '', bugs]) => {
      const names = [...folders.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
      return { names, bugs: Number(bugs) };
    });
    const patches = globSync('*/*.patch', { cwd: join(ROOT, 'test/faults/planted') });
    const isIn = (names: readonly string[]) => patches.filter((path) => names.includes(dirname(path))).length;
    expect(rows.map(({ names }) => ({ names, bugs: isIn(names) }))).toEqual(rows);
    expect(isIn(rows.flatMap(({ names }) => names))).toBe(patches.length);
    expect(text).toContain(`has ${patches.length} patches`);
  });
});

describe('the table of tests', () => {
  const rows = tableRows({ path: PAGE, text: sectionOf('How many tests name each promise') })
    .map((cells) => cells.slice(1, -1))
    .filter(([date]) => /^\d/.test(date ?? ''));

  it('has what make test-faults ARGS="--counts COMMIT" says of its newest commit', () => {
    const [, commit = ''] = rows.at(-1)!;
    const row = `| ${rows.at(-1)!.join(' | ')} |`;
    expect(hasHistory() ? countsRow(countsAt(commit)) : row).toBe(row);
  });

  it('counts tests and tables of tests, by the promises in their titles', () => {
    const code =
      "it('P1 P4: a', () => {}); it.each<[string]>([['it(x']])('P2 to P4: %s', (a: string) => {});\n" +
      "describe('P9', () => { it.skipIf(no)(`P10 ${x}: c`, async () => {}, 10); }); it.each(['d', 'e']); exit('f', 1);";
    expect(titlesIn(code)).toEqual(['P1 P4: a', 'P2 to P4: %s', 'P10  : c']);
    expect(promisesIn('P2 to P4, P1 and P10: P11x')).toEqual([1, 2, 3, 4, 10]);
    expect(namesOf([1, 2, 4, 5, 6, 10])).toBe('P1, P2, P4 to P6, P10');
  });
});

/** Without the spaces that align a table. */
function plain(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}

function sectionOf(heading: string): string {
  return documentAt('docs/reliability.md').text.split(`\n## ${heading}\n`)[1]!.split('\n## ')[0]!;
}

/** The suites beside a test file, or above it, that it imports. */
function suitesOf(file: string): string[] {
  const code = readFileSync(join(ROOT, file), 'utf8');
  return [...code.matchAll(/from '(\.[^']+-suite\.ts)'/g)].map(([, path]) => join(dirname(file), path!));
}

/** Whether a file of this folder has a test of this name, or one with values in its name that becomes it. */
function isNamed(test: string, folder: string): boolean {
  const code = codeOf(folder);
  return code.text.includes(test) || code.templates.some((template) => becomes(template, test));
}

/** What is in the files of a folder, and its strings with values in them: by folder. */
const codes = new Map<string, { readonly text: string; readonly templates: readonly string[] }>();

function codeOf(folder: string) {
  const known = codes.get(folder);
  if (known) return known;
  const paths = globSync(`${folder}/**/*.ts`, { cwd: ROOT });
  const text = paths.map((path) => readFileSync(join(ROOT, path), 'utf8')).join('\n');
  const templates = [...text.matchAll(/'([^'\n]*(?:%[sid]|\$\w)[^'\n]*)'/g)].map(([, template]) => template!);
  const code = { text, templates };
  codes.set(folder, code);
  return code;
}

function becomes(template: string, test: string): boolean {
  const parts = template.split(/%[sid]|\$[\w.]+/);
  // One of values alone becomes any name.
  if (parts.join('').trim() === '') return false;
  const escaped = parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${escaped.join('.+')}$`).test(test);
}

/** An archive has no commits, and a shallow clone has not all of them. */
function hasHistory(): boolean {
  return git('rev-parse', '--is-shallow-repository').stdout.trim() === 'false';
}

function git(...args: string[]) {
  return spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' });
}
