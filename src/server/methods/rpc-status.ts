import type { OrderError } from '../../core/errors.ts';
import type { Reason, ReasonKind } from '../../core/reasons.ts';
import { REASONS } from '../../core/reasons.ts';
import type { Status } from '../../wire/gen/google/rpc/status.ts';
import { toStatusMessage } from '../../wire/status-details.ts';
import type { Refusal } from './unary.ts';

/** Longest value in ErrorInfo's metadata, in bytes. */
const MAX_VALUE_BYTES = 128;

/** The numbers of google.rpc.Code, which gRPC and Connect share. */
const RPC_CODE = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  OUT_OF_RANGE: 11,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

// A reason's kind is in core/reasons.ts.
const CODE_OF: Readonly<Record<ReasonKind, number>> = {
  invalid: RPC_CODE.INVALID_ARGUMENT,
  mismatch: RPC_CODE.FAILED_PRECONDITION,
  fixed: RPC_CODE.FAILED_PRECONDITION,
  missing: RPC_CODE.NOT_FOUND,
  exists: RPC_CODE.ALREADY_EXISTS,
  unauthenticated: RPC_CODE.UNAUTHENTICATED,
  forbidden: RPC_CODE.PERMISSION_DENIED,
  overload: RPC_CODE.RESOURCE_EXHAUSTED,
  exhausted: RPC_CODE.OUT_OF_RANGE,
  cancelled: RPC_CODE.CANCELLED,
  unavailable: RPC_CODE.UNAVAILABLE,
  damaged: RPC_CODE.DATA_LOSS,
  internal: RPC_CODE.INTERNAL,
};

/** The name of the google.rpc.Code of a reason. */
export function rpcCodeName(reason: Reason): string {
  const code = CODE_OF[REASONS[reason].kind];
  return Object.entries(RPC_CODE).find(([, number]) => number === code)![0];
}

/** The field to blame if an error names no value, because it is missing. */
const MISSING: { readonly [R in Reason]?: readonly string[] } = {
  BATCH_SIZE_INVALID: ['requests'],
  REQUEST_ID_REQUIRED: ['request_id'],
  KEY_MISSING: ['key'],
  STORE_FIELD_INVALID: ['store'],
  UPDATE_MASK_INVALID: ['update_mask'],
};

/** A refusal of which only the error is known; its fields are at the top of the request. */
export function refusalFor(error: OrderError, mayRetry: boolean): Refusal {
  return { error, mayRetry, pathOf: (field) => field };
}

/**
 * The google.rpc.Status of a refusal (https://google.aip.dev/193). RetryInfo only if the caller may retry, BadRequest only
 * if a field is wrong rather than the whole message.
 */
export function toRpcStatus(refusal: Refusal): Status {
  const { error, mayRetry } = refusal;
  const { message, reason } = error;
  const { kind, retryMs } = REASONS[reason];
  return toStatusMessage({
    code: CODE_OF[kind],
    message,
    reason,
    metadata: Object.fromEntries(Object.entries(error.fields).map(([name, value]) => [name, cut(value)])),
    retryMs: mayRetry ? retryMs : undefined,
    wrongFields: kind === 'invalid' ? wrongFields(refusal) : undefined,
  });
}

/** The request_id of an unknown outcome, which a carrier sends as trailing metadata `request-id`, too. */
export function keyToRetryWith({ reason, fields }: OrderError): string | undefined {
  return reason === 'OUTCOME_UNKNOWN' ? fields['request_id'] : undefined;
}

function wrongFields({ error: { reason, fields }, pathOf, where }: Refusal): readonly string[] | undefined {
  if (where !== undefined) return [where];
  const named = Object.keys(fields);
  return named.length > 0 ? named.map((field) => pathOf(field)) : MISSING[reason];
}

/** Cuts a value to its first bytes, at a character boundary. */
function cut(value: string): string {
  const bytes = Buffer.from(value);
  return bytes.length <= MAX_VALUE_BYTES
    ? value
    : new TextDecoder().decode(bytes.subarray(0, MAX_VALUE_BYTES), { stream: true });
}
