import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { readLedger } from '../../../support/ledgers/density.ts';
import { checkHistory } from '../../history/check-history.ts';
import type { CallFault } from './fault-slots.ts';
import { FaultSlot } from './fault-slots.ts';
import type { Life } from './every-call.ts';
import type { Healing } from './ledger-life.ts';
import { LedgerLife } from './ledger-life.ts';

// A program: one life of a ledger per fault of the list that it is given, several at the same time, in the folders slot-N
// of the folder that it is given. It writes a line of JSON about each to standard output.

const [, , folder = '', lives = '[]', atOnce = '1'] = process.argv;
const faults = JSON.parse(lives) as (CallFault | null)[];
const next = faults.values();

async function live(slotNumber: number): Promise<void> {
  const slot = new FaultSlot(process.env['CALL_FAULTS']!, slotNumber);
  const place = join(folder, `slot-${slotNumber}`);
  const beside = join(folder, `beside-${slotNumber}`);
  symlinkSync(place, beside);
  for (const fault of next) {
    rmSync(place, { recursive: true, force: true });
    mkdirSync(place);
    const life = new LedgerLife(place, beside, slot, fault ?? undefined);
    const outcome = await outcomeOf(life, (fault?.nth ?? 0) % 2 === 0 ? 'running' : 'stopped');
    const { hits, counts } = slot;
    const calls = life.calls ?? counts;
    process.stdout.write(`${JSON.stringify({ ...outcome, fault: fault ?? undefined, hits, calls } satisfies Life)}\n`);
  }
  slot.close();
}

async function outcomeOf(life: LedgerLife, healing: Healing): Promise<Pick<Life, 'counts' | 'problems' | 'said'>> {
  const early: string[] = [];
  try {
    await life.live(healing);
  } catch (error) {
    early.push(`it ended early: ${error instanceof Error ? error.stack : String(error)}`);
  }
  const { violations, ...counts } = checkHistory(life.history, readLedger(life.path));
  const problems = [...early, ...life.problems, ...violations];
  return { counts, problems, said: problems.length > 0 ? life.said : [] };
}

await Promise.all(Array.from({ length: Number(atOnce) }, (_, slot) => live(slot)));
