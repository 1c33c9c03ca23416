import { needsOperator, OrderError } from '../errors.ts';
import type { Reason } from '../reasons.ts';
import type { Answer } from './batch-call.ts';

/** What became of the requests of a call. */
export interface AnswerSummary {
  /** How many requests ended with each result. */
  readonly counts: ReadonlyMap<'OK' | Reason, number>;
  /** The refusal that an operator should see first; undefined if no request was refused. */
  readonly worst: OrderError | undefined;
}

export function summaryOf(answers: readonly Answer[]): AnswerSummary {
  const counts = new Map<'OK' | Reason, number>();
  let worst: OrderError | undefined;
  for (const answer of answers) {
    const error = answer instanceof OrderError ? answer : undefined;
    const result = error?.reason ?? 'OK';
    counts.set(result, (counts.get(result) ?? 0) + 1);
    if (error && (!worst || (needsOperator(error) && !needsOperator(worst)))) worst = error;
  }
  return { counts, worst };
}
