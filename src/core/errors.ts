import type { Reason } from './reasons.ts';

/** What an {@link OrderError} carries besides its reason and message. */
export interface OrderErrorDetails {
  /** The values concerned, keyed by their names in the proto. */
  readonly fields?: Readonly<Record<string, string>>;
  /** The error underneath: for the log, never for the caller. */
  readonly cause?: unknown;
}

/** The one error type of the core. `message` is one English sentence that may be shown to the caller. */
export class OrderError extends Error {
  override readonly name = 'OrderError';
  readonly reason: Reason;
  readonly fields: Readonly<Record<string, string>>;

  constructor(reason: Reason, message: string, details: OrderErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.reason = reason;
    this.fields = details.fields ?? {};
  }
}

/** Whether an operator should look at a refusal; otherwise the caller made a mistake. */
export function needsOperator({ cause, reason }: OrderError): boolean {
  return cause !== undefined || reason === 'INTERNAL' || reason === 'OUTCOME_UNKNOWN';
}

/**
 * The ledger cannot be opened until an operator has done something about it. `message` names the ledger and the
 * remedy.
 */
export class LedgerRefused extends Error {
  override readonly name = 'LedgerRefused';
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
