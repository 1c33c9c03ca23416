import { OrderNumbersError } from '../../client/order-numbers-error.ts';
import { LedgerRefused, messageOf } from '../../core/errors.ts';
import { printable } from '../../core/text/plain-text.ts';
import { OutputError } from '../view/output.ts';

/** Refused, or found bad. */
export const EXIT_REFUSED = 1;
/** It may have been done: retry. */
export const EXIT_UNKNOWN = 3;

/** What a command says of a write whose outcome is unknown. */
export interface UnknownOutcome {
  /** What to do now, as a sentence without its end. */
  readonly advice: string;
  /** For --json: the names and values of the advice. */
  readonly fields: Readonly<Record<string, string>>;
}

/** A command's own words for a failure; undefined if the failure's own are good. */
export type Rewording = (error: unknown) => string | undefined;

/**
 * What became of a command that failed: its exit code and its line for standard error. `unknown` is given
 * by commands that write; a read that has no answer has changed nothing, and is refused.
 */
export function describeFailure(
  error: unknown,
  unknown: UnknownOutcome | undefined,
  json: boolean,
  reword: Rewording = () => undefined,
): { readonly exitCode: number; readonly line: string } {
  const refused = error instanceof OrderNumbersError && error.outcome === 'refused';
  const perhapsDone = unknown !== undefined && !refused;
  const exitCode = perhapsDone ? EXIT_UNKNOWN : EXIT_REFUSED;
  const message = reword(error) ?? shownMessage(error);
  if (json) {
    const outcome = perhapsDone ? { outcome: 'unknown', ...unknown.fields } : { outcome: 'refused' };
    return { exitCode, line: JSON.stringify({ error: { ...details(error), message, ...outcome } }) };
  }
  if (perhapsDone) return { exitCode, line: `error: outcome unknown: ${message}. ${unknown.advice}` };
  const reason = error instanceof OrderNumbersError && error.reason ? ` (${error.reason})` : '';
  // Without a reason no server has refused it: the call of a command that writes was never sent.
  const notDone = unknown !== undefined && reason === '' ? 'not done: ' : '';
  return { exitCode, line: `error: ${notDone}${message}${reason}` };
}

/** Whether the reader of standard output has gone: a command then ends without a word. */
export function isReaderGone(error: unknown): boolean {
  return error instanceof OutputError && error.readerGone;
}

function shownMessage(error: unknown): string {
  const message = messageOf(error);
  // The refusal of a file to import lists the bad lines.
  return error instanceof LedgerRefused ? message.split('\n').map(printable).join('\n') : printable(message);
}

function details(error: unknown): Record<string, unknown> {
  if (!(error instanceof OrderNumbersError)) return {};
  const { code, reason, metadata } = error;
  return { code, reason, metadata };
}
