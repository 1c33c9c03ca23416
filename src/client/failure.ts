import { Metadata, status } from '@grpc/grpc-js';
import { ErrorInfo, RetryInfo } from '../gen/google/rpc/error_details.ts';
import type { Any } from '../gen/google/protobuf/any.ts';
import { Status } from '../gen/google/rpc/status.ts';

const DOMAIN = 'orders.v1';
const TYPE_PREFIX = 'type.googleapis.com/';
/** Codes after which a call was perhaps done, whoever says so. */
const INDEFINITE: ReadonlySet<string> = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'CANCELLED']);

/** How the library says that it could not connect; behind it the reason, in words of its own around the system's. */
const NOT_CONNECTED = /^No connection established(?:\. Last error: (?:Error: )?(.*?))?(?:\. Resolution note: .*)?$/s;
const NOT_RESOLVED = /^(Name resolution failed for target|No addresses resolved)/;
const OUT_OF_TIME = /^Deadline exceeded after /;
const STILL_CONNECTING = /Waiting for LB pick|name resolution/i;
/** Of the system: nobody is there. Other reasons, such as a certificate that is not trusted, are somebody's. */
const NOBODY_THERE = /\bE[A-Z]{4,}\b/;

/** How one attempt ended without an answer. */
export interface Failure {
  /** The name of the gRPC code. */
  readonly code: string;
  readonly message: string;
  /** Undefined where the status is not our server's own: a proxy's, or made by the library. */
  readonly reason: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** No server was there to be asked. */
  readonly isUnreachable: boolean;
  /** The server says that this attempt did nothing. Everything else was perhaps done. */
  readonly isDefinite: boolean;
  /** How long to wait at least before asking again; undefined where nobody said. */
  readonly retryDelayMs: number | undefined;
  readonly cause: unknown;
}

/** Reads a status by the rule of the service: only our ErrorInfo makes it definite, and not with every code. */
export function failureFrom(error: unknown): Failure {
  const { code: number, details: text, metadata: trailers } = statusOf(error);
  const code = status[number] ?? 'UNKNOWN';
  const details = richDetails(trailers);
  const info = unpack(details, 'google.rpc.ErrorInfo', ErrorInfo);
  const isOurs = info?.domain === DOMAIN;
  const delay = unpack(details, 'google.rpc.RetryInfo', RetryInfo)?.retryDelay;
  return {
    code,
    ...(info ? { message: text, isUnreachable: false } : plain(text)),
    reason: isOurs ? info.reason : undefined,
    metadata: isOurs ? info.metadata : {},
    isDefinite: isOurs && !INDEFINITE.has(code),
    retryDelayMs: delay && Math.max(0, Number(delay.seconds) * 1000 + delay.nanos / 1e6),
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

/** What the library says of its connection, without the library's inside; everything else as it is. */
function plain(text: string): { message: string; isUnreachable: boolean } {
  const notConnected = NOT_CONNECTED.exec(text);
  if (notConnected) {
    const why = notConnected[1] ? `: ${notConnected[1]}` : '';
    if (why === '' || NOBODY_THERE.test(why)) return { message: `no server answers${why}`, isUnreachable: true };
    return { message: `no connection could be made${why}`, isUnreachable: false };
  }
  if (NOT_RESOLVED.test(text)) {
    return { message: 'no server answers: the name of its host is not known', isUnreachable: true };
  }
  if (!OUT_OF_TIME.test(text)) return { message: text, isUnreachable: false };
  return STILL_CONNECTING.test(text)
    ? { message: 'no server answers: there was no connection in time', isUnreachable: true }
    : { message: 'there was no answer in time', isUnreachable: false };
}

/** What a proxy put where the details belong says nothing. */
function richDetails(trailers: Metadata | undefined): readonly Any[] {
  const [trailer] = trailers?.get('grpc-status-details-bin') ?? [];
  if (!(trailer instanceof Uint8Array)) return [];
  return decoded(Status, trailer)?.details ?? [];
}

function unpack<T>(details: readonly Any[], type: string, codec: Decoder<T>): T | undefined {
  const found = details.find(({ typeUrl }) => typeUrl === `${TYPE_PREFIX}${type}`);
  return found && decoded(codec, found.value);
}

interface Decoder<T> {
  decode(input: Uint8Array): T;
}

function decoded<T>(codec: Decoder<T>, bytes: Uint8Array): T | undefined {
  try {
    return codec.decode(bytes);
  } catch {
    return undefined;
  }
}
