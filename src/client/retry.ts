import { messageOf } from '../core/errors.ts';
import type { Connection } from './connection/connection.ts';
import type { Failure } from './failure.ts';
import { AttemptFailed, diagnosed, failureFrom, UNCONNECTED } from './failure.ts';
import type { ConnectionProblem, Outcome } from './order-numbers-error.ts';
import { OrderNumbersError } from './order-numbers-error.ts';
import type { Policy } from './policy.ts';
import { pause, stoppedBy } from './stop.ts';

/** The first wait between two attempts is up to this long, and each further one up to twice as long … */
const FIRST_BACKOFF_MS = 50;
/** … but never longer than this. */
const MAX_BACKOFF_MS = 2_000;

/** The longest wait if no request has left this machine: then only the library's own reconnect backoff matters. */
const MAX_UNSENT_BACKOFF_MS = 250;
/** After this time without a connection, or with a failed attempt, a call is reported. */
const NOTICE_MS = 1_000;
/** Problems that last until a setting is changed. */
const PERMANENT: ReadonlySet<ConnectionProblem | undefined> = new Set([
  'needs-tls',
  'needs-plaintext',
  'certificate',
  'not-grpc',
]);

/** The time limits of a call, in milliseconds, the signals that stop it, and the callback for a slow one. */
export interface Limits {
  readonly timeoutMs: number;
  /** For a read before any connection was made. */
  readonly unreachableTimeoutMs: number;
  readonly signals: readonly AbortSignal[];
  readonly onRetrying?: ((error: OrderNumbersError) => void) | undefined;
}

/** What the retries need to know of the connection to the server. */
export type ConnectionState = Pick<Connection, 'hasConnected' | 'isConnected' | 'beginDiagnosis' | 'diagnose'>;

/**
 * How long to wait after so many attempts, in milliseconds: the server's delay plus a random share of an exponentially
 * growing time, so that callers that failed together do not retry together.
 */
export function backoffMs(attempts: number, failure?: Failure): number {
  const most = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (attempts - 1));
  return (failure?.retryDelayMs ?? 0) + Math.random() * most;
}

/**
 * Retries until the answer is definite, the time is up or a signal is aborted. `attempt` gets the time left, in
 * milliseconds, and rejects with a status of grpc-js.
 */
export async function withRetries<Response>(
  attempt: (msLeft: number) => Promise<Response>,
  policy: Policy,
  limits: Limits,
  connection: ConnectionState,
): Promise<Response> {
  const retries = new Retries(policy, limits, connection, performance.now());
  try {
    retries.begin();
    for (;;) {
      try {
        return await attempt(retries.msLeft);
      } catch (error) {
        await retries.afterFailure(error);
      }
    }
  } finally {
    retries.end();
  }
}

/** The attempts of one call: what is known after those that failed, and when the next one is due. */
export class Retries {
  readonly #policy: Policy;
  readonly #limits: Limits;
  readonly #connection: ConnectionState;
  readonly #startMs: number;
  #notice: Notice | undefined;
  #attempts = 0;
  #latest: Failure | undefined;
  #mayHaveSucceeded = false;

  /** `startMs` is when the call began, by performance.now(). */
  constructor(policy: Policy, limits: Limits, connection: ConnectionState, startMs: number) {
    this.#policy = policy;
    this.#limits = limits;
    this.#connection = connection;
    this.#startMs = startMs;
  }

  get msLeft(): number {
    const { timeoutMs, unreachableTimeoutMs } = this.#limits;
    const isLost = this.#policy.advice === undefined && !this.#connection.hasConnected;
    const mostMs = isLost ? Math.min(timeoutMs, unreachableTimeoutMs) : timeoutMs;
    return this.#startMs + mostMs - performance.now();
  }

  /** Called before the first attempt, unless there is a connection and no callback for a slow call. */
  begin(): void {
    this.#throwIfStopped(false);
    this.#notice = new Notice(this.#policy, this.#limits, this.#connection, () => this.#latest);
  }

  /** Resolves when the next attempt is due. Throws the error of the call if there is none. */
  async afterFailure(thrown: unknown): Promise<void> {
    const [policy, connection] = [this.#policy, this.#connection];
    let failure = failureFrom(thrown);
    this.#attempts++;
    this.#throwIfStopped(failure.wasSent);
    if (!failure.isDefinite) this.#mayHaveSucceeded ||= failure.wasSent;
    else if (settlesAll(failure)) this.#mayHaveSucceeded = false;
    const isFirstMiss = failure.isUnconnected && !this.#latest?.isUnconnected;
    if (isFirstMiss) failure = diagnosed(failure, await connection.diagnose());
    this.#latest = failure;
    const waitMs = failure.wasSent
      ? backoffMs(this.#attempts, failure)
      : Math.min(MAX_UNSENT_BACKOFF_MS, backoffMs(this.#attempts));
    if (isLasting(failure, connection) || !policy.mayRetry(failure) || waitMs >= this.msLeft) {
      throw gaveUp(policy, await withDiagnosis(failure, connection), this.#attempts, this.#mayHaveSucceeded);
    }
    await pause(waitMs, this.#limits.signals);
    this.#throwIfStopped(false);
  }

  /** Called when the call has ended. */
  end(): void {
    this.#notice?.end();
  }

  #throwIfStopped(wasSent: boolean): void {
    const { signals } = this.#limits;
    if (stoppedBy(signals)) throw cancelled(this.#policy, signals, this.#mayHaveSucceeded || wasSent);
  }
}

/** Whether only a changed setting can help. If a server was reached before, the problem may pass by itself. */
export function isLasting({ problem }: Failure, connection: ConnectionState): boolean {
  return PERMANENT.has(problem) && !connection.hasConnected;
}

/** Reports once that a call keeps retrying although it should have been answered. */
class Notice {
  readonly #timers: readonly NodeJS.Timeout[];
  #isOver = false;

  /** `latest` is the last failure of the call. */
  constructor(
    policy: Policy,
    { timeoutMs, onRetrying }: Limits,
    connection: ConnectionState,
    latest: () => Failure | undefined,
  ) {
    // Early enough that the reason is known if the call gives up while it still waits for its first connection.
    const look = () => void (connection.isConnected || connection.beginDiagnosis());
    const tell = async () => {
      if (latest() === undefined && connection.isConnected) return;
      const failure = await withDiagnosis(latest() ?? failureFrom(new AttemptFailed(UNCONNECTED, false)), connection);
      if (!this.#isOver) onRetrying?.(gaveUp(policy, failure, 1, false));
    };
    this.#timers = [
      ...(connection.isConnected ? [] : [setTimeout(look, Math.min(NOTICE_MS, timeoutMs / 2))]),
      ...(onRetrying ? [setTimeout(() => void tell(), NOTICE_MS)] : []),
    ];
  }

  end(): void {
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }
}

/** The same failure with a diagnosis of the connection. */
export async function withDiagnosis(failure: Failure, connection: ConnectionState): Promise<Failure> {
  return failure.isUnconnected ? diagnosed(failure, await connection.diagnose()) : failure;
}

/**
 * Whether a refusal also settles the earlier attempts, which sent the same request. A full queue, for instance, does
 * not: an earlier attempt may have arrived before it was full. Neither does REQUEST_ID_MISMATCH: the other request with
 * this key may only wait for its numbers, and if it leaves without them, an earlier attempt that arrives late gets some.
 */
function settlesAll({ code, reason }: Failure): boolean {
  return code === 'INVALID_ARGUMENT' || reason === 'SEQUENCE_EXHAUSTED';
}

/** The error of a call that its caller stopped. */
export function cancelled(
  policy: Policy,
  signals: readonly AbortSignal[],
  mayHaveSucceeded: boolean,
): OrderNumbersError {
  const outcome = outcomeOf(policy, mayHaveSucceeded);
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
export function gaveUp(
  policy: Policy,
  failure: Failure,
  attempts: number,
  mayHaveSucceeded: boolean,
): OrderNumbersError {
  const outcome = outcomeOf(policy, mayHaveSucceeded);
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

function outcomeOf(policy: Policy, mayHaveSucceeded: boolean): Outcome {
  return mayHaveSucceeded && policy.advice !== undefined ? 'unknown' : 'refused';
}

function adviceFor(policy: Policy, outcome: Outcome): string {
  return outcome === 'unknown' ? `. It may have succeeded: ${policy.advice}` : '';
}
