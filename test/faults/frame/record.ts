import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commitOfTree, today } from './recordable.ts';

const ROOT = new URL('../../..', import.meta.url).pathname;
/** Records of runs, one file each, in a folder per lab: docs/reliability.md shows them. */
export const RECORDS = join(ROOT, 'test/faults/record');

/** What a run counted. */
export interface Counts {
  /** Calls. */
  asked: number;
  /** Calls that were answered with a pair. */
  acknowledged: number;
  /** Those whose pair was in the ledger afterwards, exactly as answered; and those whose pair was not. */
  found: number;
  lost: number;
  /** Pairs given to two requests, and requests with two pairs. */
  twice: number;
  /** Numbers missing in a sequence. */
  holes: number;
}

/** What a run did and found, as its file has it. No lists: prettier would fold them. */
export interface RunRecord {
  readonly lab: string;
  /** The name of the test, which stands in its file. */
  readonly test: string;
  readonly file: string;
  readonly engine: string;
  readonly promises: string;
  readonly rounds: number;
  readonly seed: number;
  readonly date: string;
  readonly commit: string;
  readonly command: string;
  /** How often each fault was injected. */
  readonly injected: Readonly<Record<string, number>>;
  readonly counts: Counts;
  /** What each negative control was told by the checks. */
  readonly controls: Readonly<Record<string, string>>;
}

/**
 * Writes a record, dated and with the commit of the working tree, if FAULTS_RECORD says where; 1 is test/faults/record.
 * One per test, or with FAULTS_RECORD_NAME=seed per test and seed.
 */
export function writeRecord(run: Omit<RunRecord, 'date' | 'commit'>): void {
  const folder = process.env['FAULTS_RECORD'];
  if (folder === undefined || folder === '') return;
  const { lab, test, file, rounds, seed } = run;
  const record: RunRecord = {
    lab,
    test,
    file,
    engine: run.engine,
    promises: run.promises,
    rounds,
    seed,
    date: today(),
    commit: commitOfTree(),
    command: run.command,
    injected: run.injected,
    counts: run.counts,
    controls: run.controls,
  };
  const path = join(folder === '1' ? RECORDS : folder, lab);
  mkdirSync(path, { recursive: true });
  const suffix = process.env['FAULTS_RECORD_NAME'] === 'seed' ? `-seed-${seed}` : '';
  writeFileSync(join(path, `${slugOf(test)}${suffix}.json`), `${JSON.stringify(record, undefined, 2)}\n`);
}

/** What repeats a run. */
export function commandOf(lab: string, rounds: number, seed: number): string {
  return `make test-faults ARGS="${lab} --rounds ${rounds} --seed ${seed}"`;
}

function slugOf(test: string): string {
  const words = test.replaceAll(/\bP\d+\b( to (?=P\d))?/g, ' ').toLowerCase();
  const slug = words.replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-+|-+$/g, '');
  return slug.slice(0, 60).replace(/-+$/, '') || 'run';
}
