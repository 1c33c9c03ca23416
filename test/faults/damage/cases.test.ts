import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { memoryFolder } from '../../support/disk/memory-folder.ts';
import { readLedger } from '../../support/ledgers/density.ts';
import { patchedBy } from '../../support/patched-modules.ts';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Random } from '../frame/random.ts';
import { Tally } from '../frame/tally.ts';
import { checkHistory } from '../history/check-history.ts';
import { History } from '../history/history.ts';
import type { Pair } from '../history/pair.ts';
import type { DamageCase } from './cases.ts';
import { CASES } from './cases.ts';
import type { LedgerBytes } from './ledger-bytes.ts';
import { flipped, put, readBytes } from './ledger-bytes.ts';
import type { Moments } from './moments.ts';
import { makeMoments } from './moments.ts';
import { serve, twiceIn } from './service.ts';

/** Damages of the WAL and the mark at random places. */
const RUN = faultRun('damage', { short: 4, long: 800 });
const ROOM_BYTES = 2 ** 24;

let made: { readonly folder: string; readonly moments: Moments } | undefined;

afterAll(() => made && rmSync(made.folder, { recursive: true }));

function ledger() {
  if (!made) {
    const folder = mkdtempSync(join(memoryFolder(ROOM_BYTES) ?? tmpdir(), 'order-numbers-'));
    made = { folder, moments: makeMoments(folder) };
  }
  return { ...made, place: join(made.folder, 'damaged') };
}

const NAMED = CASES.map((each): [string, DamageCase] => [[each.damage, each.how].filter(Boolean).join(', '), each]);
const REFUSED = NAMED.filter(([, { noticed }]) => noticed['refused at start']);
const SERVED = NAMED.filter(([, { noticed }]) => !noticed['refused at start']);

it.each(REFUSED)('P9: is refused at start, and no file is changed: %s', async (_, { bytes, noticed }) => {
  const { moments, place } = ledger();
  const before = bytes(moments);
  const files = put(before, place);
  const outcome = await serve(files, moments.last.given);
  expect(wordsOf(outcome.noticed)).toEqual(expectedWords(noticed));
  expect(outcome.after).toEqual([]);
  expect(textsOf(readBytes(files))).toEqual(textsOf(before));
});

it.each(SERVED)('P9: is served, and loses what the page says: %s', async (_, { bytes, noticed, atRisk, given }) => {
  const { moments, place } = ledger();
  const told = given?.(moments) ?? moments.last.given;
  const outcome = await serve(put(bytes(moments), place), told);
  expect(wordsOf(outcome.noticed)).toEqual(expectedWords(noticed));
  const isAtRisk = (atRisk?.(moments) ?? []).length > 0;
  // What is at risk cannot be found, and is given again.
  expect(outcome.wrongReads > 0).toBe(isAtRisk);
  expect(twiceIn(told, outcome.after) > 0).toBe(isAtRisk);
});

/** One text per file, which vitest compares at once; of bytes it compares each. */
function textsOf(bytes: LedgerBytes): readonly string[] {
  return Object.entries(bytes).map(([part, content]) => `${part}: ${content?.toString('latin1')}`);
}

function wordsOf(noticed: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  return Object.fromEntries(noticed);
}

function expectedWords(noticed: DamageCase['noticed']): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(noticed).map(([by, words]) => [by, expect.stringMatching(words)]));
}

it(
  'P9: a WAL or a mark that is flipped or cut off anywhere is refused, or nothing is missing',
  async ({ task }) => {
    const tally = new Tally(RUN, task.name);
    const { moments, place } = ledger();
    const random = new Random(RUN.seed);
    const { bytes, given } = moments.last;
    const wrong: string[] = [];
    for (let round = 0; round < RUN.rounds; round++) {
      tally.progress(round);
      const { name, damaged } = damagedAtRandom(bytes, random, round);
      const { noticed, wrongReads, after, contents } = await serve(put(damaged, place), given);
      const isRefused = noticed.has('refused at start');
      tally.inject(`${name}: ${isRefused ? 'refused' : noticed.has('warned at start') ? 'warned' : 'without effect'}`);
      if (isRefused) continue;
      const verdict = checkHistory(historyOf(given, after), contents!);
      tally.count(verdict);
      const { lost, twice, holes } = verdict;
      if (wrongReads + lost + twice + holes > 0) {
        wrong.push(`${name}: ${wrongReads} wrong lookups, ${lost} lost, ${twice} twice, ${holes} holes`);
      }
    }
    expect(wrong).toEqual([]);
    control(tally);
    tally.end();
  },
  timeoutMs(RUN),
);

function damagedAtRandom(bytes: LedgerBytes, random: Random, round: number) {
  const part = round % 2 === 0 ? 'wal' : 'mark';
  const content = bytes[part]!;
  const place = random.below(content.length);
  const isFlip = round % 4 < 2;
  const damage = isFlip ? flipped(content, place, random.below(8)) : content.subarray(0, place);
  return { name: `${part}, ${isFlip ? 'a flipped bit' : 'cut off'}`, damaged: { ...bytes, [part]: damage } };
}

/** A copy of the source that does not compare the ledger with its mark serves an older copy. */
function control(tally: Tally): void {
  const { moments, place } = ledger();
  const files = put({ ...moments.older.bytes, mark: moments.last.bytes.mark }, place);
  const program = new URL('control-program.ts', import.meta.url).pathname;
  const patch = {
    file: 'src/engines/sqlite/recovery/opening-check.ts',
    find: '  if (mark.lastOrderId > end.lastOrderId) {',
    replace: '  if (mark.lastOrderId < 0n) {',
  };
  const { stdout, stderr } = spawnSync(process.execPath, [program, files.database], {
    env: { ...process.env, ...patchedBy([patch]) },
    encoding: 'utf8',
  });
  if (stdout === '') throw new Error(stderr);
  const after = JSON.parse(stdout, (_, value: unknown) =>
    typeof value === 'string' && /^\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value,
  ) as Pair[];
  const { violations, twice } = checkHistory(historyOf(moments.last.given, after), readLedger(files.database));
  tally.control('the mark is not compared', twice > 0, `${violations.length} violations, such as ${violations[0]}`);
}

/** Everything that callers were told, one after the other. */
function historyOf(...told: readonly (readonly Pair[])[]): History {
  const history = new History();
  for (const pair of told.flat()) history.answered(history.begin('caller', pair), pair, false);
  return history;
}
