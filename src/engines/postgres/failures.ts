import { messageOf, OrderError } from '../../errors.ts';
import { NotReplicated } from './session.ts';

/** Nothing came for too long: the network, a disk or a standby stalls. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/** There was no session for too long: nothing was asked. */
export class NotSent extends NoAnswer {}

/** Rolled back, for reasons that lie in what others did at the same time: the same session may ask again at once. */
const TRY_AGAIN = new Set(['40001', '40P01', '55P03']);
/** Of classes of SQLSTATE: connections, an operator's or the system's intervention, lack of something. */
const SERVER_IN_TROUBLE = /^(08|57|53|25006)/;
const DAMAGED = /^(XX001|XX002|58030)$/;
/** As the functions of the schema raise it: an operator has to act. */
export const MUST_NOT_NUMBER = /^ON00[12]$/;

/** The SQLSTATE of an error that a server sent (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
export function sqlState(error: unknown): string | undefined {
  // Errors of sockets have a code, too, but no severity.
  if (!(error instanceof Error && 'severity' in error && 'code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/**
 * What to do about a write that was not answered well: ask again on the same session, ask again on another one, or
 * nothing but tell. Asking again is always safe: the ledger knows what it has done.
 */
export function remedyFor(error: unknown): 'ask again' | 'ask elsewhere' | 'tell' {
  if (error instanceof NotReplicated || error instanceof NoAnswer) return 'ask elsewhere';
  const state = sqlState(error);
  if (state === undefined || SERVER_IN_TROUBLE.test(state)) return 'ask elsewhere';
  return TRY_AGAIN.has(state) ? 'ask again' : 'tell';
}

export function isDiskFull(error: unknown): boolean {
  return sqlState(error) === '53100';
}

/** A read that failed: damage is the ledger's operator's business, anything else but a lost server is our fault. */
export function toReadError(error: unknown): unknown {
  const state = sqlState(error);
  if (state !== undefined && DAMAGED.test(state)) {
    return new OrderError('LEDGER_DAMAGED', 'the ledger cannot be read: its operator has to act', { cause: error });
  }
  return error instanceof OrderError || remedyFor(error) === 'tell' ? error : reopening(error);
}

export function reopening(cause?: unknown): OrderError {
  return new OrderError('LEDGER_REOPENING', 'the ledger is being opened: ask again', { cause });
}

/** A write of a store failed: nobody knows whether it was done. */
export function storeUnknown(storeId: bigint, cause: unknown): OrderError {
  return new OrderError('OUTCOME_UNKNOWN', 'the store was perhaps written: look it up, or ask again', {
    fields: { store_id: String(storeId) },
    cause,
  });
}

/** One sentence's worth: several addresses of a host fail with several errors in one. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ');
  return messageOf(error);
}
