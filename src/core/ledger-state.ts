import type { Reason } from './reasons.ts';
import { OrderError } from './errors.ts';

/** Why a ledger is closed, in words that any caller may read: they name no path and no host. */
export type ClosedReason = 'opening' | 'disk full' | 'disk error' | 'database unreachable' | 'an operator has to act';

/** The refusals that a closed ledger explains, so that callers are told its reason with them. */
const EXPLAINED: ReadonlySet<Reason> = new Set(['CANCELLED', 'QUEUE_FULL', 'OUTCOME_UNKNOWN', 'LEDGER_REOPENING']);

/** Whether a ledger is open, and if not, since when and why. */
export class LedgerState {
  #closedSince: number | undefined = performance.now();
  #reason: ClosedReason = 'opening';
  #why = 'it is being opened';

  get isOpen(): boolean {
    return this.#closedSince === undefined;
  }

  /** 0 while it is open. */
  get closedSeconds(): number {
    return this.#closedSince === undefined ? 0 : (performance.now() - this.#closedSince) / 1000;
  }

  /** The latest reason: this one for callers, and `why` as a sentence for operators. */
  get reason(): ClosedReason {
    return this.#reason;
  }

  get why(): string {
    return this.#why;
  }

  opened(): void {
    this.#closedSince = undefined;
  }

  closed(reason: ClosedReason, why: string): void {
    this.#closedSince ??= performance.now();
    this.#reason = reason;
    this.#why = why;
  }

  /** The same refusal; while the ledger is closed, with the reason if that explains it. */
  explain(error: OrderError): OrderError {
    if (this.isOpen || !EXPLAINED.has(error.reason)) return error;
    return new OrderError(error.reason, `${error.message} (the ledger is closed: ${this.#reason})`, {
      fields: error.fields,
      cause: error.cause,
    });
  }
}
