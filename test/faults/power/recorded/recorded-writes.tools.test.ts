import { rmSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { rowsOf, version1Ledger } from '../../../support/ledgers/version-1-ledger.ts';
import { requireTools } from '../../../support/required-tool.ts';
import { faultRun, timeoutMs } from '../../frame/fault-run.ts';
import { Tally } from '../../frame/tally.ts';
import { LIMIT_MS } from '../limit.ts';
import type { StateChecks } from './check-ledger-states.ts';
import type { RecordChangeName } from './writes/record-changes.ts';
import type { StateResult } from './state-checks.ts';
import { RecordedLedger } from './state-checks.ts';
import { askedLine, givenLine } from './lives/told.ts';

// Ledgers live and are killed, and every write to their files is recorded: opening, commits, the mark, stores, checkpoints
// complete and not, closing. Then the files are rebuilt as they may be after each of the writes, opened and checked.

/** A round is a ledger: the first one has a life that is written down, later ones wander. */
const RUN = faultRun('power', { short: 1, long: 4 });
/** The share of the writes after which it looks, apart from those that put the mark on disk. */
const SHARE = RUN.isLong ? 0.15 : 0.1;
const CUTS = RUN.isLong ? 4 : 1;

/** So many ledgers at the same time. */
const LANES = RUN.isLong ? 3 : 1;

type Checks = Pick<StateChecks, 'end'> & Partial<StateChecks>;

const ledgers: RecordedLedger[] = [];
afterAll(() => ledgers.forEach(({ place }) => rmSync(place, { recursive: true, force: true })));

const rounds: Promise<RecordedLedger>[] = [];

/** The ledger of this round, recorded once. */
function recorded(round: number): Promise<RecordedLedger> {
  return (rounds[round] ??= (async () => {
    const ledger = new RecordedLedger();
    ledgers.push(ledger);
    const seed = RUN.seed * 1000 + round * 10;
    return ledger.run(round === 0 ? ['lives', 'goes on'] : [1, 2].map((n) => `wanders ${seed + n}`));
  })());
}

/** Resolves to the faults of all rounds. */
async function eachRound(tally: Tally, run: (ledger: RecordedLedger) => Promise<readonly string[]>): Promise<string[]> {
  const faults: string[] = [];
  let round = 0;
  const lane = async () => {
    while (round < RUN.rounds) {
      tally.progress(round);
      faults.push(...(await run(await recorded(round++))));
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return faults;
}

function check(ledger: RecordedLedger, checks: Checks): Promise<StateResult> {
  return ledger.check({ seed: RUN.seed, share: SHARE, cuts: CUTS, isLong: RUN.isLong, ...checks });
}

/** Adds what was found; returns the faults. */
function count(tally: Tally, fault: string, result: StateResult): readonly string[] {
  const { asked, acknowledged, states, different, faults, faulty } = result;
  tally.inject(`${fault}: states, all`, states);
  tally.inject(`${fault}: states, different`, different);
  tally.count({ asked, acknowledged, found: faulty === 0 ? acknowledged : 0 });
  return faults;
}

async function control(tally: Tally, ledger: RecordedLedger, change: RecordChangeName, checks: Checks): Promise<void> {
  const { faulty, faults, states } = await check(ledger, { ...checks, change, stopsAtFault: true });
  tally.control(change, faulty > 0, faults[0] ?? `${states} states without a fault`);
}

it(
  'P1 P2 P4 P5 P9: after a kill at any write, or in the middle of one, the ledger opens and has every answered order',
  async (test) => {
    requireTools(test, 'gcc');
    const tally = new Tally(RUN, test.task.name);
    const faults = await eachRound(tally, async (ledger) =>
      count(tally, 'kill at a write', await check(ledger, { end: 'kill', share: RUN.isLong ? 0.3 : SHARE })),
    );
    expect(faults).toEqual([]);
    const first = await recorded(0);
    await control(tally, first, 'the mark is written before the commit', { end: 'kill' });
    await control(tally, first, 'the mark is never written', { end: 'kill' });
    tally.end();
  },
  Math.max(timeoutMs(RUN), LIMIT_MS),
);

it(
  'P1 P2 P4 P5 P9: after a power cut at any moment, whichever unsynced writes are on disk, the ledger opens and has every answered order',
  async (test) => {
    requireTools(test, 'gcc');
    const tally = new Tally(RUN, test.task.name);
    const faults = await eachRound(tally, async (ledger) =>
      count(tally, 'power cut', await check(ledger, { end: 'power cut' })),
    );
    expect(faults).toEqual([]);
    for (const change of [
      'the WAL is never synced',
      'the database is never synced',
      'the mark is never synced',
      'the folder is never synced',
    ] as const) {
      await control(tally, await recorded(0), change, { end: 'power cut' });
    }
    tally.end();
  },
  Math.max(timeoutMs(RUN), LIMIT_MS),
);

it(
  'P9: an older copy put over the database after a kill or a power cut at any write is refused without changing a file, or loses nothing',
  async (test) => {
    requireTools(test, 'gcc');
    const tally = new Tally(RUN, test.task.name);
    let refused = 0;
    const faults = await eachRound(tally, async (ledger) => {
      const found: string[] = [];
      for (const end of ['kill, older copy', 'power cut, older copy'] as const) {
        const result = await check(ledger, { end, share: SHARE / (RUN.isLong ? 2 : 4), cuts: 0 });
        found.push(...count(tally, end, result));
        refused += result.refused;
        tally.inject('refused', result.refused);
        tally.inject('not noticed, because the mark may be a checkpoint behind', result.unnoticed);
      }
      return found;
    });
    expect(faults).toEqual([]);
    expect(refused).toBeGreaterThan(100);
    const first = await recorded(0);
    await control(tally, first, 'the mark is never written', { end: 'kill, older copy' });
    await control(tally, first, 'the mark is never synced', { end: 'power cut, older copy', cuts: 0 });
    tally.end();
  },
  Math.max(timeoutMs(RUN), LIMIT_MS),
);

it(
  'P4 P9: after a kill or a power cut at any write of an upgrade, the ledger opens and has every order',
  async (test) => {
    requireTools(test, 'gcc');
    const tally = new Tally(RUN, test.task.name);
    const { database, mark } = version1Ledger();
    const { rows } = rowsOf(version1Ledger());
    const told = rows.flatMap((row) => [
      askedLine({ requestId: row.request_id, storeId: row.store_id, count: Number(row.count) }),
      givenLine(row.request_id, row.order_id, row.order_number),
    ]);
    const ledger = new RecordedLedger().begin({ 'orders.db': database, 'orders.db.mark': mark }, told);
    ledgers.push(ledger);
    await ledger.run(['upgrades']);
    const share = RUN.isLong ? 1 : 0.3;
    const kills = count(tally, 'kill at a write', await check(ledger, { end: 'kill', share }));
    const cuts = count(tally, 'power cut', await check(ledger, { end: 'power cut', share, cuts: 2 * CUTS }));
    expect([...kills, ...cuts]).toEqual([]);
    await control(tally, ledger, 'the WAL is never synced', { end: 'power cut', share: 1 });
    tally.end();
  },
  Math.max(timeoutMs(RUN), LIMIT_MS),
);
