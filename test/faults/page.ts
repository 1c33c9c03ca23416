import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunRecord } from './frame/record.ts';
import { RECORDS } from './frame/record.ts';
import type { Lab } from './labs.ts';
import { labs } from './labs.ts';
import type { RoomRecord } from './mutation/room-record.ts';
import { readRoomRecords } from './mutation/room-record.ts';
import { ROOMS } from './mutation/rooms.ts';
import { labRecord } from './pages/lab-record.ts';
import { formatted } from './pages/markdown.ts';
import { mutationsOf } from './pages/mutations.ts';
import { summaryOf } from './pages/summary.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
/** What the labs and the mutation run came to, between other texts. */
export const PAGE = join(ROOT, 'docs/reliability.md');
/** Each of their faults and runs. */
export const RECORD_PAGE = join(ROOT, 'docs/reliability-record.md');
/** Around a part of the page that this module writes. */
type Part = 'labs' | 'mutations';
const END = '<!-- end -->';
const HEAD = `# The record of the fault labs

What each lab has injected and found, run by run. [Reliability](reliability.md#what-the-labs-have-seen) says what a lab is,
and has the sums.

- **A run** is one test. Several runs of it with other seeds stand in one row. The test checks the promises that its name
  begins with, and each fault in the table counts for these.
- **Asked** are the calls that were made, **answered** those that got a pair of numbers, and **found** the answered pairs
  that are in the ledger exactly as answered. In the labs \`simulator\` and \`dynamodb\`, and in the models of allocator and
  client, found are all orders in the ledger: it also has orders whose callers got no answer. In the lab \`damage\`, answered
  but not found are second pairs that a retry got on a damaged ledger, before \`verify\` reported the damage.
- **Lost** are answered pairs that are not in the ledger, **twice** pairs that two requests got and requests that got two
  pairs, **holes** the numbers that no row has. All three have to be 0.
- **A control** is the same run with one protection taken out. It has to fail, and its line says how it did.

A run that counts no calls has a – in these columns: its test compares files, states or answers instead.
\`make test-faults ARGS=--page\` writes this page from \`test/faults/record/\`.`;

/** All records of long runs, in the order of their labs and names. */
export function readRecords(folder = RECORDS): readonly RunRecord[] {
  return globSync('*/*.json', { cwd: folder })
    .toSorted()
    .map((path) => JSON.parse(readFileSync(join(folder, path), 'utf8')) as RunRecord);
}

/** Writes what the records say into both pages. */
export async function writePages(): Promise<void> {
  const records = readRecords();
  writeFileSync(PAGE, await withParts(readFileSync(PAGE, 'utf8'), records, readRoomRecords()));
  writeFileSync(RECORD_PAGE, await recordText(records));
}

/** The page with what the records say in its parts. */
export async function withParts(page: string, records: readonly RunRecord[], rooms: readonly RoomRecord[]) {
  return withPart(withPart(page, 'labs', await summaryText(records)), 'mutations', await mutationsText(rooms));
}

/** What the labs came to in all. */
export function summaryText(records: readonly RunRecord[], known: readonly Lab[] = labs()): Promise<string> {
  return formatted(summaryOf(records, known), PAGE);
}

export function mutationsText(records: readonly RoomRecord[]): Promise<string> {
  return formatted(mutationsOf(records, ROOMS), PAGE);
}

/** The whole page of the record. */
export async function recordText(records: readonly RunRecord[], known: readonly Lab[] = labs()): Promise<string> {
  const sections = known.map((lab) => labRecord(lab, records)).filter((section) => section !== '');
  return `${await formatted([HEAD, ...sections].join('\n\n'), RECORD_PAGE)}\n`;
}

function withPart(page: string, part: Part, content: string): string {
  const beginning = `<!-- begin ${part}: written by make test-faults ARGS=--page -->`;
  const begin = page.indexOf(beginning);
  const end = page.indexOf(END, begin);
  if (begin < 0 || end < 0) throw new Error(`the page needs the lines "${beginning}" and "${END}"`);
  return `${page.slice(0, begin + beginning.length)}\n\n${content}\n\n${page.slice(end)}`;
}
