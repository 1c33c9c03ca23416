import { Metadata, status } from '@grpc/grpc-js';
import { messageOf } from '../core/errors.ts';
import { decodeDetails, DETAILS_TRAILER } from '../wire/status-details.ts';
import type { Diagnosis } from './connection/diagnosis.ts';
import type { ConnectionProblem } from './order-numbers-error.ts';

/** Codes after which a call may have succeeded, whatever sent them. */
const INDEFINITE: ReadonlySet<string> = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'CANCELLED']);

/** The library's message that it could not connect, and the system's reason inside it. */
const NOT_CONNECTED = /^No connection established(?:\. Last error: (?:Error: )?(.*?))?(?:\. Resolution note: .*)?$/s;
const NOT_RESOLVED = /^(Name resolution failed for target|No addresses resolved)/;
/** The library's message for an HTTP answer that is not gRPC. */
const HTTP_STATUS = /^Received HTTP status code \d+/;
const TIME_IS_UP = /^Deadline exceeded after /;
/** System error codes: nothing listens there. Any other reason, such as an untrusted certificate, has a sender. */
const NOTHING_LISTENS = /\bE(CONNREFUSED|HOSTUNREACH|NETUNREACH|TIMEDOUT|HOSTDOWN|ADDRNOTAVAIL|NOENT)\b/;

/** The library's error for a call that waits for its first connection. */
export const UNCONNECTED = { code: status.UNAVAILABLE, details: 'No connection established' };
/** The same for one that had no answer when its time was up. */
export const OUT_OF_TIME = { code: status.DEADLINE_EXCEEDED, details: 'Deadline exceeded after its time' };
const NO_CONNECTION = {
  message: 'no server answers: no connection in time',
  problem: 'unreachable',
} as const;

/** One attempt that failed, and whether its request was handed to a connection. */
export class AttemptFailed extends Error {
  override readonly name = 'AttemptFailed';
  /** False only if no byte of the request can have left this machine. */
  readonly wasSent: boolean;
  /** Whether it ended for want of a connection, which is worth a look. */
  readonly isUnconnected: boolean;

  constructor(cause: unknown, wasSent: boolean, isUnconnected = !wasSent) {
    super(messageOf(cause), { cause });
    this.wasSent = wasSent;
    this.isUnconnected = isUnconnected;
  }
}

/** How one attempt ended without an answer. */
export interface Failure {
  /** The name of the gRPC code. */
  readonly code: string;
  readonly message: string;
  /** Undefined if the status is not our server's own, but a proxy's or the library's. */
  readonly reason: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** Why there was no connection, as far as it is known; undefined if there was one. */
  readonly problem: ConnectionProblem | undefined;
  /** False only if no byte of the request can have left this machine. */
  readonly wasSent: boolean;
  /** Whether it ended for want of a connection, which is worth a look. */
  readonly isUnconnected: boolean;
  /** The server says that this attempt did nothing. Anything else may have succeeded. */
  readonly isDefinite: boolean;
  /** How long to wait at least before a retry; undefined if no server said. */
  readonly retryDelayMs: number | undefined;
  readonly cause: unknown;
}

/** Reads a status by the rule of the service: only our ErrorInfo makes it definite, and not with every code. */
export function failureFrom(thrown: unknown): Failure {
  const {
    wasSent,
    isUnconnected,
    cause: error,
  } = thrown instanceof AttemptFailed ? thrown : new AttemptFailed(thrown, true);
  const { code: number, details: text, metadata: trailers } = statusOf(error);
  const code = status[number] ?? 'UNKNOWN';
  const { isExplained, own, retryMs } = decodeDetails(trailers?.get(DETAILS_TRAILER)[0]);
  return {
    code,
    ...(isExplained ? { message: text, problem: undefined } : wasSent ? answerless(text, code) : unconnected(text)),
    wasSent,
    isUnconnected,
    reason: own?.reason,
    metadata: own?.metadata ?? {},
    isDefinite: own !== undefined && !INDEFINITE.has(code),
    retryDelayMs: retryMs,
    cause: error,
  };
}

function statusOf(error: unknown): { code: number; details: string; metadata: Metadata | undefined } {
  const { code, details, metadata, message } = Object(error) as Record<string, unknown>;
  return {
    code: typeof code === 'number' ? code : status.UNKNOWN,
    details: String(details ?? message ?? error),
    metadata: metadata instanceof Metadata ? metadata : undefined,
  };
}

/** The same failure with the message of a look at the server's port. */
export function diagnosed(failure: Failure, diagnosis: Diagnosis | undefined): Failure {
  return diagnosis === undefined ? failure : { ...failure, ...diagnosis };
}

function answerless(text: string, code: string): Pick<Failure, 'message' | 'problem'> {
  return { message: answerlessMessage(text, code), problem: undefined };
}

function answerlessMessage(text: string, code: string): string {
  if (TIME_IS_UP.test(text)) return 'no answer in time';
  if (code === 'UNIMPLEMENTED' || HTTP_STATUS.test(text)) {
    return `${text}: the peer is not an order-numbers server, or an older one: check its address`;
  }
  return text;
}

/** The library's message about its connection, without internals; any other message is kept. */
function unconnected(text: string): Pick<Failure, 'message' | 'problem'> {
  if (TIME_IS_UP.test(text)) return NO_CONNECTION;
  if (NOT_RESOLVED.test(text)) {
    return { message: 'no server answers: cannot resolve its host name', problem: 'unknown-host' };
  }
  const notConnected = NOT_CONNECTED.exec(text);
  if (!notConnected) return { message: text, problem: undefined };
  const why = notConnected[1];
  if (why === undefined) return NO_CONNECTION;
  return NOTHING_LISTENS.test(why)
    ? { message: `no server answers: ${why}`, problem: 'unreachable' }
    : { message: `cannot connect: ${why}`, problem: 'silent' };
}
