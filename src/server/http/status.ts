import type { Reason } from '../../core/errors.ts';

/** Why a request was refused by the transport itself: it never became a call. */
export type TransportReason =
  | 'BAD_REQUEST'
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'REQUEST_TIMEOUT'
  | 'PAYLOAD_TOO_LARGE'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'HEADERS_TOO_LARGE';

/** How a reason is told over HTTP. */
export interface HttpStatus {
  readonly code: number;
  /** Whole seconds, at least 1, after which to ask again with the same Idempotency-Key; where that is right. */
  readonly retryAfterSeconds?: number;
}

const STATUS_OF: Readonly<Record<Reason | TransportReason, HttpStatus>> = {
  STORE_ID_INVALID: { code: 400 },
  COUNT_INVALID: { code: 400 },
  REQUEST_ID_INVALID: { code: 400 },
  REQUEST_ID_REQUIRED: { code: 400 },
  PAGE_TOKEN_INVALID: { code: 400 },
  PAGE_SIZE_INVALID: { code: 400 },
  ORDER_ID_INVALID: { code: 400 },
  STORE_FIELD_INVALID: { code: 400 },
  UPDATE_MASK_INVALID: { code: 400 },
  KEY_MISSING: { code: 400 },
  REQUEST_ID_MISMATCH: { code: 422 },
  STORE_NOT_FOUND: { code: 404 },
  ALLOCATION_NOT_FOUND: { code: 404 },
  SEQUENCE_EXHAUSTED: { code: 409 },
  QUEUE_FULL: { code: 503, retryAfterSeconds: 1 },
  LEDGER_FULL: { code: 503, retryAfterSeconds: 5 },
  CANCELLED: { code: 503, retryAfterSeconds: 1 },
  DRAINING: { code: 503, retryAfterSeconds: 1 },
  OUTCOME_UNKNOWN: { code: 503, retryAfterSeconds: 1 },
  LEDGER_REOPENING: { code: 503, retryAfterSeconds: 1 },
  LEDGER_DAMAGED: { code: 500 },
  INTERNAL: { code: 500 },
  // What no call of this transport can end with is unforeseen.
  FIRST_NUMBER_FIXED: { code: 500 },
  STORE_EXISTS: { code: 500 },
  BAD_REQUEST: { code: 400 },
  NOT_FOUND: { code: 404 },
  METHOD_NOT_ALLOWED: { code: 405 },
  REQUEST_TIMEOUT: { code: 408 },
  PAYLOAD_TOO_LARGE: { code: 413 },
  UNSUPPORTED_MEDIA_TYPE: { code: 415 },
  HEADERS_TOO_LARGE: { code: 431 },
};

/** The status of a refusal. */
export function statusOf(reason: Reason | TransportReason): HttpStatus {
  return STATUS_OF[reason];
}

/** The body of a refusal. That of a 400 has a detail, too: the message again unless there is more to say. */
export function refusalBody(reason: Reason | TransportReason, message: string, detail = message): string {
  return JSON.stringify(statusOf(reason).code === 400 ? { message, reason, detail } : { message, reason });
}
