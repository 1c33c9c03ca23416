import type { Any } from './gen/google/protobuf/any.ts';
import { BadRequest, ErrorInfo, RetryInfo } from './gen/google/rpc/error_details.ts';
import { Status } from './gen/google/rpc/status.ts';
import { fromWireTime, toWireTime } from './values.ts';

// The google.rpc details of a refusal (https://google.aip.dev/193), for both sides.

/** The trailer that carries them. */
export const DETAILS_TRAILER = 'grpc-status-details-bin';
/** Marks the ErrorInfo of this service. */
const DOMAIN = 'orders.v1';
const TYPE_PREFIX = 'type.googleapis.com/';

/** A refusal, as a server sends it. */
export interface RefusalDetails {
  readonly code: number;
  readonly message: string;
  readonly reason: string;
  readonly metadata: Record<string, string>;
  /** After how long to retry, if that is right. */
  readonly retryMs: number | undefined;
  /** The fields of the request that are wrong, by their paths; undefined if none is. */
  readonly wrongFields: readonly string[] | undefined;
}

/** What a client can read of the details, without what is missing or damaged. */
export interface ReadDetails {
  /** Whether some server explained the refusal, this service or another. */
  readonly isExplained: boolean;
  /** What this service said; undefined if another one did. */
  readonly own: { readonly reason: string; readonly metadata: Readonly<Record<string, string>> } | undefined;
  readonly retryMs: number | undefined;
}

/** The refusal as a message: in the trailer, and in an answer to several requests. */
export function toStatusMessage(refusal: RefusalDetails): Status {
  const { code, message, reason, metadata, retryMs, wrongFields } = refusal;
  const details = [pack('google.rpc.ErrorInfo', ErrorInfo.encode({ reason, domain: DOMAIN, metadata }).finish())];
  if (retryMs !== undefined) {
    details.push(pack('google.rpc.RetryInfo', RetryInfo.encode({ retryDelay: toWireTime(retryMs) }).finish()));
  }
  if (wrongFields !== undefined) {
    const fieldViolations = wrongFields.map((field) => ({ field, description: message, reason }));
    details.push(pack('google.rpc.BadRequest', BadRequest.encode({ fieldViolations }).finish()));
  }
  return { code, message, details };
}

export function encodeDetails(status: Status): Uint8Array {
  return Status.encode(status).finish();
}

/** A proxy may put anything in the place of the details; anything unreadable is ignored. */
export function decodeDetails(trailer: unknown): ReadDetails {
  const details = trailer instanceof Uint8Array ? (decoded(Status, trailer)?.details ?? []) : [];
  const info = unpack(details, 'google.rpc.ErrorInfo', ErrorInfo);
  const delay = unpack(details, 'google.rpc.RetryInfo', RetryInfo)?.retryDelay;
  return {
    isExplained: info !== undefined,
    own: info?.domain === DOMAIN ? info : undefined,
    retryMs: delay && Math.max(0, fromWireTime(delay)),
  };
}

function pack(type: string, value: Uint8Array): Any {
  return { typeUrl: `${TYPE_PREFIX}${type}`, value };
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
