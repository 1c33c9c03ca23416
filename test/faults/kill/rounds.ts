import type { TestContext } from 'vitest';
import { messageOf } from '../../../src/core/errors.ts';
import type { FaultRun } from '../frame/fault-run.ts';
import { timeoutMs } from '../frame/fault-run.ts';
import { Random } from '../frame/random.ts';
import { Tally } from '../frame/tally.ts';
import type { Verdict } from '../history/check-history.ts';
import type { LedgerLivesOptions } from './ledger-lives.ts';
import { ledgerLives } from './ledger-lives.ts';
import type { End } from './lives.ts';

/** A ledger is checked, and another one begun, after this many lives. */
const LIVES_PER_LEDGER = 50;
const MAX_SHOWN = 10;
/** Servers are started one after the other, each of which takes seconds on a busy machine. */
const PATIENCE_MS = 300_000;

/** The time limit of a test, for vitest. */
export function limitMs(run: FaultRun): number {
  return Math.max(PATIENCE_MS, timeoutMs(run));
}

export interface RoundsOptions extends Omit<LedgerLivesOptions, 'random' | 'ends' | 'onKilled' | 'isVersion1'> {
  /** How the nth ledger begins. Default: it is new, and its first life ends like any other. */
  beginningOf?(ledger: number): Beginning;
  /** How the lives after those end, in the order of their numbers. */
  endOf(life: number, random: Random): End;
}

/** The ends of a ledger's first lives. */
export interface Beginning extends Pick<LedgerLivesOptions, 'isVersion1'> {
  readonly ends: readonly End[];
}

/**
 * Kills as many servers as the run has rounds, ledger by ledger. Throws if a point was never reached; the tally is not
 * ended yet.
 */
export async function killRounds(run: FaultRun, test: TestContext, options: RoundsOptions): Promise<Tally> {
  const tally = new Tally(run, test.task.name, { engine: options.engine?.name ?? 'SQLite' });
  const random = new Random(run.seed);
  const reached = new Map<string, boolean>();
  const onKilled = (end: End, isHit: boolean) => {
    if (end.at !== 'a random instant') reached.set(end.point, isHit || reached.get(end.point) === true);
    tally.inject(faultOf(end, isHit));
  };
  let life = 0;
  for (let round = 0; round < run.rounds; round += LIVES_PER_LEDGER) {
    const { ends: first, ...beginning } = options.beginningOf?.(round / LIVES_PER_LEDGER) ?? { ends: [] };
    const ends = [...first];
    while (ends.length < Math.min(LIVES_PER_LEDGER, run.rounds - round)) ends.push(options.endOf(life++, random));
    const verdict = await ledgerLives({ ...options, ...beginning, random, ends, onKilled });
    if (verdict.violations.length > 0) {
      throw new Error(`ledger of round ${round}: ${verdict.violations.slice(0, MAX_SHOWN).join('\n')}`);
    }
    tally.count(verdict);
    tally.progress(round);
  }
  const missed = [...reached].flatMap(([point, isReached]) => (isReached ? [] : [point]));
  if (missed.length > 0) throw new Error(`never reached: ${missed.join(', ')}`);
  return tally;
}

function faultOf(end: End, isHit: boolean): string {
  if (end.at === 'a random instant' || !isHit) return 'kill -9 at a random instant';
  if (end.at === 'a backup' && end.victim === 'the backup') return `kill -9 of a backup: ${end.point}`;
  return `kill -9: ${end.point}`;
}

/** What the checker says of numbers that are lost, twice or missing. */
const SENTENCES = { lost: /the ledger has/, twice: /two rows|given twice/, holes: /in no row/ } as const;

/** A negative control: the same with a broken part is found out, by numbers of this kind or a sentence like this one. */
export async function control(
  tally: Tally,
  name: string,
  options: Omit<LedgerLivesOptions, 'random'>,
  found: keyof typeof SENTENCES | RegExp,
): Promise<void> {
  const verdict = await ledgerLives({ ...options, random: new Random(1) }).catch(asVerdict);
  const { violations } = verdict;
  const isOfKind = typeof found === 'string';
  const sentence = violations.find((violation) => (isOfKind ? SENTENCES[found] : found).test(violation));
  const isRed = sentence !== undefined && (!isOfKind || verdict[found] > 0);
  const says = sentence ?? violations[0] ?? 'no violation';
  tally.control(name, isRed, isOfKind ? `${verdict[found]} ${found}: ${says}` : says);
}

/** What ended the lives early. */
function asVerdict(error: unknown): Verdict {
  return { asked: 0, acknowledged: 0, found: 0, lost: 0, twice: 0, holes: 0, violations: [messageOf(error)] };
}
