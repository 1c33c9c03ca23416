import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RunRecord } from './frame/record.ts';
import { labs } from './labs.ts';
import { readRecords, recordText, withRecord } from './page.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const PAGE = readFileSync(join(ROOT, 'docs/reliability.md'), 'utf8');
const RECORDS = readRecords();

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
  injected: { 'kill of the primary': 1000, 'cut after COMMIT': 200 },
  counts: { asked: 12_000, acknowledged: 11_000, found: 11_000, lost: 0, twice: 0, holes: 0 },
  controls: { 'no synchronous standby': 'order_id 5 is lost' },
};

describe('the record in docs/reliability.md', () => {
  it('is what the records say: make test-faults ARGS=--page writes it', async () => {
    expect(PAGE).toBe(withRecord(PAGE, await recordText(RECORDS)));
  });

  it('shows every fault of a run with its engine, promises, rounds, seed, date, commit and command', async () => {
    const text = await recordText([RECORD]);
    expect(text).toContain('1 runs, 1,200 faults injected: 12,000 asked, 11,000 acknowledged, 11,000 found, 0 lost');
    expect(text.replaceAll(/ +/g, ' ')).toContain('| kill of the primary | 1,000 | PostgreSQL | P1 P4 | 1 |');
    expect(text).toContain(String.raw`what holds \| or not`);
    for (const part of ['1,200', '7', '2026-11-27', '0123456789', 'order_id 5 is lost', RECORD.command]) {
      expect(text.replaceAll('\\', '').replaceAll(/\s+/g, ' ')).toContain(part);
    }
  });

  it('adds up the runs of a test with several seeds', async () => {
    const text = (await recordText([RECORD, { ...RECORD, seed: 8, rounds: 300 }])).replaceAll(/ +/g, ' ');
    expect(text).toContain('| kill of the primary | 2,000 | PostgreSQL | P1 P4 | 1 |');
    expect(text).toContain('| 1,500 | 7, 8 | 2026-11-27 | 0123456789 |');
    expect(text).toContain('| 1 | 24,000 | 22,000 | 22,000 | 0 | 0 | 0 |');
    const many = await recordText([RECORD, { ...RECORD, seed: 8 }, { ...RECORD, seed: 9 }]);
    expect(many).toContain('again: `make test-faults ARGS="failover --rounds 1200 --seed S"`');
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
    // An archive has no commits, and a shallow clone has not all of them.
    if (git('rev-parse', '--is-shallow-repository').stdout.trim() !== 'false') return;
    const commits = [...new Set(RECORDS.map(({ commit }) => commit))];
    expect(commits.filter((commit) => git('merge-base', '--is-ancestor', commit, 'HEAD').status !== 0)).toEqual([]);
  });
});

/** Whether a file of this folder has a test of this name, or one with values in its name that becomes it. */
function isNamed(test: string, folder: string): boolean {
  const paths = globSync(`${folder}/**/*.ts`, { cwd: ROOT });
  return paths.some((path) => {
    const text = readFileSync(join(ROOT, path), 'utf8');
    const templates = [...text.matchAll(/'([^'\n]*(?:%[sid]|\$\w)[^'\n]*)'/g)].map(([, template]) => template!);
    return text.includes(test) || templates.some((template) => becomes(template, test));
  });
}

function becomes(template: string, test: string): boolean {
  const parts = template.split(/%[sid]|\$[\w.]+/);
  // One of values alone becomes any name.
  if (parts.join('').trim() === '') return false;
  const escaped = parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${escaped.join('.+')}$`).test(test);
}

function git(...args: string[]) {
  return spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' });
}
