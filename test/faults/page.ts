import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunRecord } from './frame/record.ts';
import { RECORDS } from './frame/record.ts';
import type { Lab } from './labs.ts';
import { labs } from './labs.ts';
import { labRecord } from './pages/lab-record.ts';
import { formatted } from './pages/markdown.ts';
import { summaryOf } from './pages/summary.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
/** What the labs have done in all, in the midst of other texts. */
export const PAGE = join(ROOT, 'docs/reliability.md');
/** Each of their faults and runs. */
export const RECORD_PAGE = join(ROOT, 'docs/reliability-record.md');
const BEGIN = '<!-- begin: written by make test-faults ARGS=--page -->';
const END = '<!-- end -->';
const HEAD = `# The record of the fault labs

What each lab has injected and found, run by run; [Reliability](reliability.md#what-the-labs-have-seen) has the sums. A
fault counts for the promises in its row, as the test of its run checks them. A control is the same run with a protection
taken out: it has to fail, and the line says how it did. \`make test-faults ARGS=--page\` writes this page from
\`test/faults/record/\`.`;

/** All records of long runs, in the order of their labs and names. */
export function readRecords(folder = RECORDS): readonly RunRecord[] {
  return globSync('*/*.json', { cwd: folder })
    .toSorted()
    .map((path) => JSON.parse(readFileSync(join(folder, path), 'utf8')) as RunRecord);
}

/** Writes what the records say into both pages. */
export async function writePages(): Promise<void> {
  const records = readRecords();
  writeFileSync(PAGE, withSummary(readFileSync(PAGE, 'utf8'), await summaryText(records)));
  writeFileSync(RECORD_PAGE, await recordText(records));
}

/** What stands between the marks of the page. */
export function summaryText(records: readonly RunRecord[], known: readonly Lab[] = labs()): Promise<string> {
  return formatted(summaryOf(records, known), PAGE);
}

/** The whole page of the record. */
export async function recordText(records: readonly RunRecord[], known: readonly Lab[] = labs()): Promise<string> {
  const sections = known.map((lab) => labRecord(lab, records)).filter((section) => section !== '');
  return `${await formatted([HEAD, ...sections].join('\n\n'), RECORD_PAGE)}\n`;
}

/** The page with `content` between its marks. */
export function withSummary(page: string, content: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END, begin);
  if (begin < 0 || end < 0) throw new Error(`the page needs the lines "${BEGIN}" and "${END}" around the summary`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${content}\n\n${page.slice(end)}`;
}
