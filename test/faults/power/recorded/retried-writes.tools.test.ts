import { rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, expect, it, onTestFinished } from 'vitest';
import { requireTools } from '../../../support/required-tool.ts';
import { faultRun, timeoutMs } from '../../frame/fault-run.ts';
import { Tally } from '../../frame/tally.ts';
import { LIMIT_MS } from '../limit.ts';
import type { Patch } from '../patched-source.ts';
import { WITHOUT_CHECKPOINT, WITHOUT_REWRITE } from '../patches.ts';
import { RecordedLedger } from './state-checks.ts';

const RUN = faultRun('power', { short: 1, long: 20 });
const CUTS = { seed: RUN.seed, end: 'power cut', share: 1, isLong: RUN.isLong } as const;

const ledgers: RecordedLedger[] = [];
afterAll(() => ledgers.forEach(({ place }) => rmSync(place, { recursive: true, force: true })));

function newLedger(): RecordedLedger {
  const ledger = new RecordedLedger();
  ledgers.push(ledger);
  return ledger;
}

it(
  'P4 P5: what was retried after a kill before its fsync survives a power cut, whichever unsynced writes are on disk',
  async (test) => {
    requireTools(test, 'gcc');
    const tally = new Tally(RUN, test.task.name);
    const { states, different, faults, asked, acknowledged } = await (
      await retried([])
    ).check({ ...CUTS, share: RUN.isLong ? 1 : 0.3, cuts: RUN.rounds });
    expect(faults).toEqual([]);
    tally.inject('power cut: states, all', states);
    tally.inject('power cut: states, different', different);
    tally.count({ asked, acknowledged, found: acknowledged });

    const without = await (await retried(WITHOUT_CHECKPOINT)).check({ ...CUTS, cuts: 1, stopsAtFault: true });
    tally.control('a start without a checkpoint', without.faulty > 0, without.faults[0] ?? 'nothing was lost');
    tally.end();
  },
  Math.max(timeoutMs(RUN), LIMIT_MS),
);

it(
  'P4: a start beside a reader loses nothing in a power cut, even if the last fsync before it failed',
  async (test) => {
    requireTools(test, 'gcc');
    const tally = new Tally(RUN, test.task.name);
    const ledger = await retriedBesideReader([]);
    const { states, different, faults, asked, acknowledged } = await ledger.check({
      ...CUTS,
      share: RUN.isLong ? 1 : 0.05,
      cuts: RUN.rounds,
    });
    expect(faults).toEqual([]);
    expect(acknowledged).toBe(109);
    tally.inject('failed fsync', 1);
    tally.inject('power cut: states, all', states);
    tally.inject('power cut: states, different', different);
    tally.count({ asked, acknowledged, found: acknowledged });
    const without = await (await retriedBesideReader(WITHOUT_REWRITE)).check({ ...CUTS, cuts: 1, stopsAtFault: true });
    tally.control('an fsync alone', without.faulty > 0, without.faults[0] ?? 'nothing was lost');
    tally.end();
  },
  Math.max(timeoutMs(RUN), LIMIT_MS),
);

async function retried(patches: readonly Patch[]): Promise<RecordedLedger> {
  const ledger = await newLedger().run(['is killed before a sync']);
  return ledger.run(['retries'], patches);
}

async function retriedBesideReader(patches: readonly Patch[]): Promise<RecordedLedger> {
  const ledger = await newLedger().run(['fails a sync']);
  // A reader sees what recovery found in the memory of the system, and keeps reading.
  const reader = new Database(join(ledger.folder, 'orders.db'), { readonly: true });
  onTestFinished(() => void reader.close());
  reader.exec('BEGIN');
  expect(reader.prepare('SELECT count(*) FROM allocations').pluck().get()).toBe(9);
  return ledger.run(['retries and goes on'], patches);
}
