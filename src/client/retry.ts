import { messageOf } from '../core/errors.ts';
import type { Connection } from './connection/connection.ts';
import type { ConnectionProblem } from './connection/diagnosis.ts';
import type { Failure } from './failure.ts';
import { AttemptFailed, diagnosed, failureFrom, UNCONNECTED } from './failure.ts';
import type { Outcome } from './order-numbers-error.ts';
import { OrderNumbersError } from './order-numbers-error.ts';
import { pause, stoppedBy } from './stop.ts';

/** The first wait between two attempts is up to this long, and each further one up to twice as long … */
const FIRST_BACKOFF_MS = 50;
/** … but never longer than this. */
const MAX_BACKOFF_MS = 2_000;

/** The longest wait if no request has left this machine: only the library's own waits for a connection matter then. */
const MAX_UNSENT_BACKOFF_MS = 250;
/** A call that goes on for so long without a connection, or after a failure, is told of. */
const NOTICE_MS = 1_000;
/** Problems that last until a setting is changed. */
const LASTING: ReadonlySet<ConnectionProblem | undefined> = new Set([
  'needs-tls',
  'needs-plaintext',
  'certificate',
  'not-grpc',
]);

/** How long a call may take, in milliseconds, what stops it, and what is told that it takes long. */
export interface Limits {
  readonly timeoutMs: number;
  readonly attemptTimeoutMs: number;
  /** For a read on a connection that never was. */
  readonly unreachableTimeoutMs: number;
  readonly signals: readonly AbortSignal[];
  readonly onRetrying?: ((error: OrderNumbersError) => void) | undefined;
}

/** What is known of the way to the server. */
export type Line = Pick<Connection, 'hasConnected' | 'isConnected' | 'diagnose'>;

/** What kind of call it is. */
export interface Policy {
  /** Whether a retry is safe and useful after this. */
  mayRetry(failure: Failure): boolean;
  /** What to do if the outcome is unknown; undefined for a call that changes nothing, whose outcome never is. */
  readonly advice: string | undefined;
  /** The key of an allocation. */
  readonly requestId?: string | undefined;
}

/** Bare codes by which something on the way, or a server without the method, refuses for good. */
const REFUSED_ON_THE_WAY: ReadonlySet<string> = new Set(['UNIMPLEMENTED', 'UNAUTHENTICATED', 'PERMISSION_DENIED']);

/** Whether to retry a call that does no harm when repeated: until the answer is definite. */
export function untilDefinite(failure: Failure): boolean {
  return !failure.isDefinite || failure.retryDelayMs !== undefined;
}

/** The same for a question that changes nothing, and so has no outcome that would have to be settled. */
export function untilAnswered(failure: Failure): boolean {
  return untilDefinite(failure) && !REFUSED_ON_THE_WAY.has(failure.code);
}

/**
 * How long to wait before the next attempt, after so many: the server's own delay at least, and on top of it
 * a random share of a growing time, so that callers that failed together do not come back together.
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
  line: Line,
): Promise<Response> {
  const start = performance.now();
  const msLeft = () => {
    const isLost = policy.advice === undefined && !line.hasConnected;
    const mostMs = isLost ? Math.min(limits.timeoutMs, limits.unreachableTimeoutMs) : limits.timeoutMs;
    return start + mostMs - performance.now();
  };
  const notice = new Notice(policy, limits, line);
  let perhapsDone = false;
  try {
    for (let attempts = 1; ; attempts++) {
      if (stoppedBy(limits.signals)) throw cancelled(policy, limits.signals, perhapsDone);
      let failure: Failure;
      try {
        return await attempt(Math.min(limits.attemptTimeoutMs, msLeft()));
      } catch (error) {
        failure = failureFrom(error);
      }
      if (stoppedBy(limits.signals)) throw cancelled(policy, limits.signals, perhapsDone || failure.wasSent);
      if (!failure.isDefinite) perhapsDone ||= failure.wasSent;
      else if (settlesAll(failure)) perhapsDone = false;
      const isFirstMiss = !failure.wasSent && notice.latest?.wasSent !== false;
      if (isFirstMiss) failure = diagnosed(failure, await line.diagnose());
      notice.latest = failure;
      const waitMs = failure.wasSent
        ? backoffMs(attempts, failure)
        : Math.min(MAX_UNSENT_BACKOFF_MS, backoffMs(attempts));
      if (isLasting(failure, line) || !policy.mayRetry(failure) || waitMs >= msLeft()) {
        throw gaveUp(policy, await withDiagnosis(failure, line), attempts, perhapsDone);
      }
      await pause(waitMs, limits.signals);
    }
  } finally {
    notice.end();
  }
}

/** Whether only a changed setting can help; if a server was reached before, the way to it is being repaired. */
export function isLasting({ problem }: Failure, line: Line): boolean {
  return LASTING.has(problem) && !line.hasConnected;
}

/** Tells once that a call goes on although it should have been answered. */
class Notice {
  /** The last failure of the call. */
  latest: Failure | undefined;
  readonly #timers: readonly NodeJS.Timeout[];
  #isOver = false;

  constructor(policy: Policy, { timeoutMs, onRetrying }: Limits, line: Line) {
    // In good time, so that the reason is known if the call gives up while it still waits for its first connection.
    const look = () => void (line.isConnected || line.diagnose());
    const tell = async () => {
      if (this.latest === undefined && line.isConnected) return;
      const failure = await withDiagnosis(this.latest ?? failureFrom(new AttemptFailed(UNCONNECTED, false)), line);
      if (!this.#isOver) onRetrying?.(gaveUp(policy, failure, 1, false));
    };
    this.#timers = [
      ...(line.isConnected ? [] : [setTimeout(look, Math.min(NOTICE_MS, timeoutMs / 2))]),
      ...(onRetrying ? [setTimeout(() => void tell(), NOTICE_MS)] : []),
    ];
  }

  end(): void {
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }
}

/** The same failure with what is wrong with the way to the server. */
export async function withDiagnosis(failure: Failure, line: Line): Promise<Failure> {
  return failure.wasSent ? failure : diagnosed(failure, await line.diagnose());
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
  return new OrderNumbersError(`cancelled: ${messageOf(cause)}${adviceFor(policy, outcome)}`, {
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
  const isPlain = failure.reason !== undefined || failure.problem !== undefined;
  const said = isPlain ? failure.message : `${failure.code}: ${failure.message}`;
  const after = attempts > 1 ? ` (attempt ${attempts})` : '';
  return new OrderNumbersError(`${said}${after}${adviceFor(policy, outcome)}`, {
    code: failure.code,
    reason: failure.reason,
    metadata: failure.metadata,
    requestId: policy.requestId,
    outcome,
    connectionProblem: failure.problem,
    cause: failure.cause,
  });
}

function outcomeOf(policy: Policy, perhapsDone: boolean): Outcome {
  return perhapsDone && policy.advice !== undefined ? 'unknown' : 'refused';
}

function adviceFor(policy: Policy, outcome: Outcome): string {
  return outcome === 'unknown' ? `. It is not known whether it was done: ${policy.advice}` : '';
}
