import type { Failure } from './failure.ts';

/** How a kind of call is retried. */
export interface Policy {
  /** Whether a retry is safe and useful after this. */
  mayRetry(failure: Failure): boolean;
  /** What to do if the outcome is unknown; undefined for a call that changes nothing, whose outcome never is. */
  readonly advice: string | undefined;
  /** The key of an allocation. */
  readonly requestId?: string | undefined;
}

/** Codes without ErrorInfo with which a proxy, or a server without the method, refuses permanently. */
const REFUSED_ON_THE_WAY: ReadonlySet<string> = new Set(['UNIMPLEMENTED', 'UNAUTHENTICATED', 'PERMISSION_DENIED']);

/** Whether to retry a call that may safely be repeated: until the answer is definite. */
export function untilDefinite(failure: Failure): boolean {
  return !failure.isDefinite || failure.retryDelayMs !== undefined;
}

/** The same for a call that changes nothing, and so has no outcome to settle. */
export function untilAnswered(failure: Failure): boolean {
  return untilDefinite(failure) && !REFUSED_ON_THE_WAY.has(failure.code);
}

/** A call that changes nothing. */
export const READ: Policy = { mayRetry: untilAnswered, advice: undefined };

/** An allocation under a key: a retry with the same key gets the same numbers. */
export function allocationOf(requestId: string): Policy {
  return { mayRetry: untilDefinite, advice: `retry with the same request_id ${requestId}`, requestId };
}
