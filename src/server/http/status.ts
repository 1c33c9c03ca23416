import type { Reason, ReasonKind } from '../../core/reasons.ts';
import { REASONS } from '../../core/reasons.ts';

/** Why the transport itself refused a request, before it became a call. */
export type TransportReason =
  | 'BAD_REQUEST'
  | 'HOST_FORBIDDEN'
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'REQUEST_TIMEOUT'
  | 'PAYLOAD_TOO_LARGE'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'HEADERS_TOO_LARGE';

/** The HTTP status of a reason. */
export interface HttpStatus {
  readonly code: number;
  /** Whole seconds, at least 1, after which to retry with the same Idempotency-Key; absent if that is wrong. */
  readonly retryAfterSeconds?: number;
}

// A reason's kind is in core/reasons.ts.
const CODE_OF: Readonly<Record<ReasonKind, number>> = {
  invalid: 400,
  mismatch: 422,
  missing: 404,
  unauthenticated: 401,
  forbidden: 403,
  overload: 503,
  exhausted: 409,
  cancelled: 503,
  unavailable: 503,
  damaged: 500,
  internal: 500,
  // No call of this transport can end with one of these.
  fixed: 500,
  exists: 500,
};

const TRANSPORT_CODE_OF: Readonly<Record<TransportReason, number>> = {
  BAD_REQUEST: 400,
  HOST_FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  REQUEST_TIMEOUT: 408,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  HEADERS_TOO_LARGE: 431,
};

/**
 * A gRPC call ends with CANCELLED when its caller's own deadline has passed, so no caller is left to retry. Over HTTP
 * this server's limit has passed, and the caller still waits for an answer.
 */
const CANCELLED_RETRY_MS = 1000;

/** The status of a refusal. */
export function statusOf(reason: Reason | TransportReason): HttpStatus {
  if (!isReason(reason)) return { code: TRANSPORT_CODE_OF[reason] };
  const { kind, retryMs = kind === 'cancelled' ? CANCELLED_RETRY_MS : undefined } = REASONS[reason];
  const code = CODE_OF[kind];
  return retryMs === undefined ? { code } : { code, retryAfterSeconds: Math.ceil(retryMs / 1000) };
}

function isReason(reason: Reason | TransportReason): reason is Reason {
  return reason in REASONS;
}

/** The body of a refusal. A 400 also has a detail: the message again, unless one is given. */
export function refusalBody(reason: Reason | TransportReason, message: string, detail = message): string {
  return JSON.stringify(statusOf(reason).code === 400 ? { message, reason, detail } : { message, reason });
}
