import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testFolder } from '../../support/processes/server-process.ts';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Random } from '../frame/random.ts';
import { Tally } from '../frame/tally.ts';
import { checkHistory } from '../history/check-history.ts';
import { History } from '../history/history.ts';
import { FLIP_ROWS } from './flips.ts';
import { GivingLedger } from './giving-ledger.ts';
import { flipped, put } from './ledger-bytes.ts';
import { regionsOf } from './regions.ts';
import type { Outcome } from './service.ts';
import { NOTICES, serve, twiceIn } from './service.ts';

/** Flipped bits per region of the database, of which there are 15. */
const RUN = faultRun('damage', { short: 1, long: 500 });

it(
  'P5 P9: a flipped bit anywhere in the database gives no number twice unless verify says so before',
  async ({ task }) => {
    const tally = new Tally(RUN, task.name);
    const folder = testFolder();
    const ledger = new GivingLedger(folder, 'orders');
    ledger.fill();
    const { bytes, given } = ledger.moment();
    const place = join(folder, 'damaged');
    const random = new Random(RUN.seed);
    const wrong: string[] = [];
    for (const { name, ranges } of regionsOf(ledger.files, bytes.database!)) {
      for (let i = 0; i < RUN.rounds; i++) {
        const [from, to] = random.pick(ranges);
        const [offset, bit] = [random.between(from, to - 1), random.below(8)];
        const files = put({ ...bytes, database: flipped(bytes.database!, offset, bit) }, place);
        const outcome = await serve(files, given);
        const twice = twiceIn(given, outcome.after);
        const holes = holesIn(outcome);
        tally.inject(`${name}: ${whatHappened(outcome, twice)}`);
        const told = outcome.after.length;
        tally.count({ asked: told, acknowledged: told, found: told - twice });
        const problem = problemOf(name, outcome, twice, holes);
        if (problem !== undefined) wrong.push(`bit ${bit} of byte ${offset}, in ${name}: ${problem}`);
        if (!outcome.noticed.has('verify')) tally.count({ twice, holes: holes ?? 0 });
        tally.progress(i);
      }
    }
    expect(wrong).toEqual([]);
    await control(tally, folder);
    tally.end();
  },
  timeoutMs(RUN),
);

function whatHappened({ noticed, wrongReads }: Outcome, twice: number): string {
  const first = NOTICES.find((notice) => noticed.has(notice));
  const effect = twice > 0 ? ', otherwise a retry numbered again' : wrongReads > 0 ? ', otherwise a wrong lookup' : '';
  return (first === undefined ? 'without effect' : `noticed, ${first}`) + effect;
}

/** Numbers that are in no row in the end; undefined if what the ledger has cannot be read. */
function holesIn({ contents }: Outcome): number | undefined {
  if (!contents) return undefined;
  try {
    return checkHistory(new History(), contents).holes;
  } catch (error) {
    // A column whose type was damaged.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** What contradicts the table of the page. */
function problemOf(region: string, outcome: Outcome, twice: number, holes?: number): string | undefined {
  const { noticed, wrongReads } = outcome;
  const row = FLIP_ROWS.find(({ regions }) => regions.includes(region));
  if (!row) return 'no row of the table is about it';
  const unforeseen = [...noticed.keys()].filter((notice) => !row.noticed.includes(notice));
  if (unforeseen.length > 0) return `unforeseen: ${unforeseen.join(', ')}`;
  if (holes === undefined && noticed.size === 0) return 'it cannot be read, and nobody says so';
  const isSaid = noticed.has('verify');
  if (holes !== undefined && holes > 0 && !isSaid) return `${holes} holes that a verification does not find`;
  if (wrongReads > 0 && !(isSaid && row.mayReadWrong)) return `${wrongReads} lookups were wrong`;
  if (twice > 0 && !(isSaid && row.mayGiveTwice)) return `${twice} pairs were given twice`;
  return undefined;
}

/** A verification that does not compare an index with its rows, as it was once, does not notice what gives numbers twice. */
async function control(tally: Tally, folder: string): Promise<void> {
  const ledger = new GivingLedger(folder, 'control');
  ledger.fill();
  const { bytes, given } = ledger.moment();
  const region = regionsOf(ledger.files, bytes.database!).find(
    ({ name }) => name === 'allocations_by_request_id, leaf',
  );
  const key = Buffer.from(given[7]!.requestId, 'latin1');
  const isInIndex = (at: number) => region!.ranges.some(([from, to]) => at >= from && at < to);
  const place = placesOf(bytes.database!, key).find(isInIndex);
  const files = put({ ...bytes, database: flipped(bytes.database!, place!, 0) }, join(folder, 'damaged'));
  const outcome = await serve(files, given, { verifies: false });
  const twice = twiceIn(given, outcome.after);
  const isRed = twice > 0 && outcome.noticed.size === 0;
  tally.control('nobody verifies', isRed, `${twice} pairs given twice, noticed by ${outcome.noticed.size}`);
}

function placesOf(bytes: Buffer, sought: Buffer): number[] {
  const places: number[] = [];
  for (let at = bytes.indexOf(sought); at !== -1; at = bytes.indexOf(sought, at + 1)) places.push(at);
  return places;
}
