const TRAITS = {
  STORE_ID_INVALID: { kind: 'invalid' },
  COUNT_INVALID: { kind: 'invalid' },
  BATCH_SIZE_INVALID: { kind: 'invalid' },
  REQUEST_TOO_LARGE: { kind: 'invalid' },
  REQUEST_MALFORMED: { kind: 'invalid' },
  REQUEST_ID_INVALID: { kind: 'invalid' },
  REQUEST_ID_REQUIRED: { kind: 'invalid' },
  PAGE_TOKEN_INVALID: { kind: 'invalid' },
  PAGE_SIZE_INVALID: { kind: 'invalid' },
  ORDER_ID_INVALID: { kind: 'invalid' },
  STORE_FIELD_INVALID: { kind: 'invalid' },
  UPDATE_MASK_INVALID: { kind: 'invalid' },
  KEY_MISSING: { kind: 'invalid' },
  REQUEST_ID_MISMATCH: { kind: 'mismatch' },
  FIRST_NUMBER_FIXED: { kind: 'fixed' },
  STORE_NOT_FOUND: { kind: 'missing' },
  ALLOCATION_NOT_FOUND: { kind: 'missing' },
  STORE_EXISTS: { kind: 'exists' },
  TOKEN_INVALID: { kind: 'unauthenticated' },
  VERB_FORBIDDEN: { kind: 'forbidden' },
  STORE_FORBIDDEN: { kind: 'forbidden' },
  QUEUE_FULL: { kind: 'overload', retryMs: 100 },
  LEDGER_FULL: { kind: 'overload', retryMs: 5_000 },
  SEQUENCE_EXHAUSTED: { kind: 'exhausted' },
  CANCELLED: { kind: 'cancelled' },
  DRAINING: { kind: 'unavailable', retryMs: 200 },
  OUTCOME_UNKNOWN: { kind: 'unavailable', retryMs: 200 },
  LEDGER_REOPENING: { kind: 'unavailable', retryMs: 200 },
  LEDGER_DAMAGED: { kind: 'damaged' },
  INTERNAL: { kind: 'internal' },
} as const;

/** Why a request was not answered as it asked. The reasons are part of the wire (google.rpc.ErrorInfo). */
export type Reason = keyof typeof TRAITS;

/** What kind of refusal a reason is. Each transport answers a kind with one of its own status codes. */
export type ReasonKind = (typeof TRAITS)[Reason]['kind'];

/** The one table of all reasons; `retryMs` is the time after which to retry with the same request_id, if that is right. */
export const REASONS: Readonly<Record<Reason, { readonly kind: ReasonKind; readonly retryMs?: number }>> = TRAITS;
