import type { StatusObject } from '@grpc/grpc-js';
import { Metadata, status } from '@grpc/grpc-js';
import type { OrderError } from '../../core/errors.ts';
import type { Reason, ReasonKind } from '../../core/reasons.ts';
import { REASONS } from '../../core/reasons.ts';
import type { Status } from '../../wire/gen/google/rpc/status.ts';
import { DETAILS_TRAILER, encodeDetails, toStatusMessage } from '../../wire/status-details.ts';

/** Longest value in ErrorInfo's metadata, in bytes. */
const MAX_VALUE_BYTES = 128;

// A reason's kind is in core/reasons.ts.
const CODE_OF: Readonly<Record<ReasonKind, status>> = {
  invalid: status.INVALID_ARGUMENT,
  mismatch: status.FAILED_PRECONDITION,
  fixed: status.FAILED_PRECONDITION,
  missing: status.NOT_FOUND,
  exists: status.ALREADY_EXISTS,
  unauthenticated: status.UNAUTHENTICATED,
  forbidden: status.PERMISSION_DENIED,
  overload: status.RESOURCE_EXHAUSTED,
  exhausted: status.OUT_OF_RANGE,
  cancelled: status.CANCELLED,
  unavailable: status.UNAVAILABLE,
  damaged: status.DATA_LOSS,
  internal: status.INTERNAL,
};

/** The field to blame if an error names no value, because it is missing. */
const MISSING: { readonly [R in Reason]?: readonly string[] } = {
  BATCH_SIZE_INVALID: ['requests'],
  REQUEST_ID_REQUIRED: ['request_id'],
  KEY_MISSING: ['key'],
  STORE_FIELD_INVALID: ['store'],
  UPDATE_MASK_INVALID: ['update_mask'],
};

/** The status of a refused call. */
export type ErrorStatus = Pick<StatusObject, 'code' | 'details' | 'metadata'>;

/**
 * Turns an error into a status with google.rpc details (https://google.aip.dev/193). RetryInfo only if
 * `mayRetry`: a caller that sent no request_id might number an order twice with a retry. The request_id of an unknown
 * outcome is also in the trailer `request-id`. `pathOf` says where in the request a field of the error is.
 */
export function toStatus(error: OrderError, mayRetry: boolean, pathOf = (field: string) => field): ErrorStatus {
  const { message, reason } = error;
  const metadata = new Metadata();
  metadata.set(DETAILS_TRAILER, Buffer.from(encodeDetails(toRpcStatus(error, mayRetry, pathOf))));
  if (reason === 'OUTCOME_UNKNOWN' && error.fields['request_id'] !== undefined) {
    metadata.set('request-id', error.fields['request_id']);
  }
  return { code: CODE_OF[REASONS[reason].kind], details: message, metadata };
}

/** The same as a google.rpc.Status, for an answer that has several. */
export function toRpcStatus(error: OrderError, mayRetry: boolean, pathOf = (field: string) => field): Status {
  const { message, reason } = error;
  const { kind, retryMs } = REASONS[reason];
  return toStatusMessage({
    code: CODE_OF[kind],
    message,
    reason,
    metadata: Object.fromEntries(Object.entries(error.fields).map(([name, value]) => [name, cut(value)])),
    retryMs: mayRetry ? retryMs : undefined,
    wrongFields: kind === 'invalid' ? wrongFields(error, pathOf) : undefined,
  });
}

function wrongFields({ reason, fields }: OrderError, pathOf: (field: string) => string): readonly string[] {
  const named = Object.keys(fields);
  return named.length > 0 ? named.map((field) => pathOf(field)) : (MISSING[reason] ?? []);
}

/** Cuts a value to its first bytes, at a character's border. */
function cut(value: string): string {
  const bytes = Buffer.from(value);
  return bytes.length <= MAX_VALUE_BYTES
    ? value
    : new TextDecoder().decode(bytes.subarray(0, MAX_VALUE_BYTES), { stream: true });
}
