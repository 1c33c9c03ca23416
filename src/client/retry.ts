import type { Failure } from './failure.ts';
import { failureFrom } from './failure.ts';
import type { Outcome } from './order-numbers-error.ts';
import { OrderNumbersError } from './order-numbers-error.ts';
import { pause, stoppedBy } from './stop.ts';

/** The first wait between two attempts is up to this long, and each further one up to twice as long … */
const FIRST_BACKOFF_MS = 50;
/** … but never longer than this. */
const MAX_BACKOFF_MS = 2_000;

/** How long a call may take, in milliseconds, and what stops it. */
export interface Limits {
  readonly timeoutMs: number;
  readonly attemptTimeoutMs: number;
  readonly signals: readonly AbortSignal[];
}

/** What kind of call it is. */
export interface Policy {
  /** Whether it is safe and of use to ask again after this. */
  mayRetry(failure: Failure): boolean;
  /** What to do where the outcome is unknown; undefined where a call changes nothing, so that it never is. */
  readonly advice: string | undefined;
  /** Of an allocation. */
  readonly requestId?: string | undefined;
}

/** Bare codes by which something on the way, or a server without the method, refuses for good. */
const REFUSED_ON_THE_WAY: ReadonlySet<string> = new Set(['UNIMPLEMENTED', 'UNAUTHENTICATED', 'PERMISSION_DENIED']);

/** Whether to ask again where asking twice does no harm: until the answer is definite. */
export function untilDefinite(failure: Failure): boolean {
  return !failure.isDefinite || failure.retryDelayMs !== undefined;
}

/** The same for a question that changes nothing, and so has no outcome that would have to be settled. */
export function untilAnswered(failure: Failure): boolean {
  return untilDefinite(failure) && !REFUSED_ON_THE_WAY.has(failure.code);
}

/**
 * How long to wait before the next attempt, after so many: the server's own delay at least, and on top of it
 * a random share of a growing time, so that callers who failed together do not come back together.
 */
export function backoffMs(attempts: number, failure?: Failure): number {
  const most = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (attempts - 1));
  return (failure?.retryDelayMs ?? 0) + Math.random() * most;
}

/** A question that changes nothing. */
export const READ: Policy = { mayRetry: untilAnswered, advice: undefined };

/**
 * Asks until the answer is definite, the time is up or a signal is aborted. `attempt` gets its share of the
 * time, in milliseconds, and rejects with a status of grpc-js.
 */
export async function withRetries<Response>(
  attempt: (timeoutMs: number) => Promise<Response>,
  policy: Policy,
  limits: Limits,
): Promise<Response> {
  const end = performance.now() + limits.timeoutMs;
  let perhapsDone = false;
  for (let attempts = 1; ; attempts++) {
    if (stoppedBy(limits.signals)) throw cancelled(policy, limits.signals, perhapsDone);
    let failure: Failure;
    try {
      return await attempt(Math.min(limits.attemptTimeoutMs, end - performance.now()));
    } catch (error) {
      failure = failureFrom(error);
    }
    if (stoppedBy(limits.signals)) throw cancelled(policy, limits.signals, true);
    if (!failure.isDefinite) perhapsDone = true;
    else if (settlesAll(failure)) perhapsDone = false;
    const waitMs = backoffMs(attempts, failure);
    if (!policy.mayRetry(failure) || performance.now() + waitMs >= end) {
      throw gaveUp(policy, failure, attempts, perhapsDone);
    }
    await pause(waitMs, limits.signals);
  }
}

/**
 * Whether a refusal goes for the attempts before it, too: they asked the very same. A full queue, for
 * instance, says nothing of a copy that came when it was not full.
 */
function settlesAll({ code, reason }: Failure): boolean {
  return code === 'INVALID_ARGUMENT' || reason === 'REQUEST_ID_MISMATCH' || reason === 'SEQUENCE_EXHAUSTED';
}

/** The error of a call that its caller stopped. */
export function cancelled(policy: Policy, signals: readonly AbortSignal[], perhapsDone: boolean): OrderNumbersError {
  const outcome = outcomeOf(policy, perhapsDone);
  const cause: unknown = stoppedBy(signals)?.reason;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new OrderNumbersError(`cancelled: ${why}${adviceFor(policy, outcome)}`, {
    code: 'CANCELLED',
    reason: undefined,
    metadata: {},
    requestId: policy.requestId,
    outcome,
    cause,
  });
}

/** The error of a call that was refused, or whose time is up. */
export function gaveUp(policy: Policy, failure: Failure, attempts: number, perhapsDone: boolean): OrderNumbersError {
  const outcome = outcomeOf(policy, perhapsDone);
  const said =
    failure.reason === undefined && !failure.isUnreachable ? `${failure.code}: ${failure.message}` : failure.message;
  const after = attempts > 1 ? ` (attempt ${attempts})` : '';
  return new OrderNumbersError(`${said}${after}${adviceFor(policy, outcome)}`, {
    code: failure.code,
    reason: failure.reason,
    metadata: failure.metadata,
    requestId: policy.requestId,
    outcome,
    isUnreachable: failure.isUnreachable,
    cause: failure.cause,
  });
}

function outcomeOf(policy: Policy, perhapsDone: boolean): Outcome {
  return perhapsDone && policy.advice !== undefined ? 'unknown' : 'refused';
}

function adviceFor(policy: Policy, outcome: Outcome): string {
  return outcome === 'unknown' ? `. It is not known whether it was done: ${policy.advice}` : '';
}
