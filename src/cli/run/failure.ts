import { OrderNumbersError } from '../../client/order-numbers-error.ts';
import { LedgerRefused, messageOf } from '../../core/errors.ts';
import { printable } from '../../core/text/plain-text.ts';
import { OutputError } from '../view/output.ts';

/** Refused, or found bad. */
export const EXIT_REFUSED = 1;
/** The call may have succeeded: retry. */
export const EXIT_UNKNOWN = 3;

/** What a command prints about a write whose outcome is unknown. */
export interface UnknownOutcome {
  /** What to do next, as a sentence without its full stop. */
  readonly advice: string;
  /** For --json: the names and values of the advice. */
  readonly fields: Readonly<Record<string, string>>;
}

/** A command's own words for a failure; undefined keeps the original message. */
export type Rewording = (error: unknown) => string | undefined;

/**
 * The exit code of a failed command and its line for standard error. Commands that write pass `unknown`; a read without
 * an answer has changed nothing, and counts as refused.
 */
export function describeFailure(
  error: unknown,
  unknown: UnknownOutcome | undefined,
  json: boolean,
  reword: Rewording = () => undefined,
): { readonly exitCode: number; readonly line: string } {
  const refused = error instanceof OrderNumbersError && error.outcome === 'refused';
  const mayHaveSucceeded = unknown !== undefined && !refused;
  const exitCode = mayHaveSucceeded ? EXIT_UNKNOWN : EXIT_REFUSED;
  const message = reword(error) ?? shownMessage(error);
  if (json) {
    const outcome = mayHaveSucceeded ? { outcome: 'unknown', ...unknown.fields } : { outcome: 'refused' };
    return { exitCode, line: JSON.stringify({ error: { ...details(error), message, ...outcome } }) };
  }
  if (mayHaveSucceeded) return { exitCode, line: `error: outcome unknown: ${message}. ${unknown.advice}` };
  const reason = error instanceof OrderNumbersError && error.reason ? ` (${error.reason})` : '';
  // Without a reason no server has refused it: the call of a command that writes was never sent.
  const notSent = unknown !== undefined && reason === '' ? 'nothing was done: ' : '';
  return { exitCode, line: `error: ${notSent}${message}${reason}` };
}

/** Whether the reader of standard output has gone: a command then ends silently. */
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
