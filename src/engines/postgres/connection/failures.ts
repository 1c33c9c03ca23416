import { LedgerRefused, messageOf, OrderError } from '../../../core/errors.ts';
import { ledgerReopening, ledgerUnreadable } from '../../../core/refusals.ts';
import { settledWithin } from '../../../core/settled-within.ts';
import {
  DEADLOCK_DETECTED,
  DISK_FULL,
  DUPLICATE_PREPARED_STATEMENT,
  FEATURE_NOT_SUPPORTED,
  LOCK_NOT_AVAILABLE,
  SERIALIZATION_FAILURE,
  sqlState,
  UNDEFINED_FUNCTION,
  UNKNOWN_PREPARED_STATEMENT,
} from './sql-state.ts';

/** The wait for a standby was cancelled: the commit is on this server, but may be on no other. */
export class NotReplicated extends Error {
  override readonly name = 'NotReplicated';
}

/** No answer came in time: the network, a disk or a standby stalls. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/** There was no session in time, so nothing was sent. */
export class NotSent extends NoAnswer {}

/** The promise, or a rejection with {@link NoAnswer} that says `late` if it has not settled after `ms`. */
export async function within<Value>(ms: number, promise: Promise<Value>, late: string): Promise<Value> {
  if (await settledWithin(ms, promise)) return promise;
  // Its rejection has no other listener.
  promise.catch(() => {});
  throw new NoAnswer(late);
}

/** Rolled back because of concurrent transactions: the same session can retry immediately. */
const TRY_AGAIN = new Set([SERIALIZATION_FAILURE, DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE]);
/** A pooler put another backend behind this session than the one that prepared the statement. */
const UNPREPARED = new Set([UNKNOWN_PREPARED_STATEMENT, DUPLICATE_PREPARED_STATEMENT]);
/** SQLSTATE classes 08 (connection), 57 (operator intervention), 53 (insufficient resources), and 25006 (read-only). */
const SERVER_IN_TROUBLE = /^(08|57|53|25006)/;
/** Broken pages and indexes, and a disk that cannot be read. */
const DAMAGED = /^(XX001|XX002|58030)$/;

/**
 * What to do about a failed write: retry on the same session, retry on another one, or give up and report it. A retry is
 * always safe, because the ledger knows what it has done. The rest of the rule is where it is applied:
 * `WriteSession.write` keeps the session after a full disk, too; `PostgresLedger.commit` limits how long a batch is
 * retried, and tells its callers about a full disk; `PostgresLedger.createStore` and `updateStore` never retry.
 */
export function remedyFor(error: unknown): 'retry' | 'retry elsewhere' | 'report' {
  const state = sqlState(error);
  if (state === undefined || SERVER_IN_TROUBLE.test(state)) return 'retry elsewhere';
  return TRY_AGAIN.has(state) || UNPREPARED.has(state) ? 'retry' : 'report';
}

/** Whether a prepared statement was missing on the backend, or already existed there: nothing was run. */
export function isUnprepared(error: unknown): boolean {
  return UNPREPARED.has(sqlState(error) ?? '');
}

/**
 * A refusal if the server lacks a function of PostgreSQL: it is too old, or another product that speaks its protocol.
 */
export function asLacking(error: unknown, server: string): LedgerRefused | undefined {
  const state = sqlState(error);
  const reason = reasonOf(error);
  const isLacking =
    state === FEATURE_NOT_SUPPORTED || (state === UNDEFINED_FUNCTION && !/ order_numbers\./.test(reason));
  if (!isLacking) return undefined;
  return new LedgerRefused(
    `${server} lacks a function that the ledger needs (${reason}); use PostgreSQL itself, version 14 or newer`,
  );
}

export function isDiskFull(error: unknown): boolean {
  return sqlState(error) === DISK_FULL;
}

/**
 * What to tell the caller of a failed read: damage needs an operator, a lost server needs a retry; anything else is a
 * fault of this program.
 */
export function toReadError(error: unknown): unknown {
  if (DAMAGED.test(sqlState(error) ?? '')) return ledgerUnreadable(error);
  return error instanceof OrderError || remedyFor(error) === 'report' ? error : ledgerReopening(error);
}

/** One sentence, also if each address of a host failed with an error of its own. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ');
  return messageOf(error);
}
