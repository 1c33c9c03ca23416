import type { Counts } from '../frame/record.ts';
import { checkAnswers, checkUnanswered } from './check-answers.ts';
import { checkObservers } from './check-observers.ts';
import { checkOrder } from './check-order.ts';
import type { DeclaredLoss } from './check-sequences.ts';
import { checkSequences } from './check-sequences.ts';
import { Findings } from './findings.ts';
import type { History } from './history.ts';
import type { LedgerContents } from './rows.ts';
import { Rows } from './rows.ts';

export interface CheckOptions {
  /** Ranges that an operator declared lost. */
  readonly losses?: readonly DeclaredLoss[];
  /** Which refusals some calls have to expect, beside those for which there was no room. */
  readonly mayBeRefused?: (refusal: string) => boolean;
}

/** What a history and the ledger say together: the counts for a Tally, and a sentence per violation. */
export interface Verdict extends Counts {
  readonly violations: readonly string[];
}

/**
 * Compares a history with the ledger as it was read after the last call ended, in n log n: P1 to P7. Calls that were
 * never answered may have left a row or not; all else has to be exactly as it was told. With the rows alone, sequences
 * begin at 1 and at 100; a snapshot has its own beginnings, and counters that have to agree.
 */
export function checkHistory(history: History, contents: LedgerContents, options: CheckOptions = {}): Verdict {
  const { losses = [], mayBeRefused = () => false } = options;
  const findings = new Findings();
  const rows = new Rows(contents);
  checkSequences(rows, contents, losses, findings);
  const answers = checkAnswers(history, rows, losses, findings);
  checkUnanswered(history, rows, answers, mayBeRefused, findings);
  checkOrder(answers.allocated, findings);
  checkObservers(history, rows, answers, losses, findings);
  return {
    asked: history.calls.length,
    acknowledged: history.acknowledged,
    found: answers.found,
    ...findings.counts,
    violations: findings.all(),
  };
}

const MAX_SHOWN = 10;

/** Throws the first violations; otherwise the verdict, whose counts go to a Tally. */
export function assertHistory(history: History, contents: LedgerContents, options?: CheckOptions): Verdict {
  const verdict = checkHistory(history, contents, options);
  const { violations } = verdict;
  if (violations.length > 0) {
    throw new Error(`${violations.length} violations:\n${violations.slice(0, MAX_SHOWN).join('\n')}`);
  }
  return verdict;
}
