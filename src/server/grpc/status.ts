import type { StatusObject } from '@grpc/grpc-js';
import { Metadata, status } from '@grpc/grpc-js';
import type { OrderError, Reason, ReasonKind } from '../../core/errors.ts';
import { REASONS } from '../../core/errors.ts';
import { BadRequest, ErrorInfo, RetryInfo } from '../../wire/gen/google/rpc/error_details.ts';
import { Status } from '../../wire/gen/google/rpc/status.ts';

const DOMAIN = 'orders.v1';
/** Longest value in ErrorInfo's metadata, in bytes. */
const MAX_VALUE_BYTES = 128;

const CODE_OF: Readonly<Record<ReasonKind, status>> = {
  invalid: status.INVALID_ARGUMENT,
  mismatch: status.FAILED_PRECONDITION,
  fixed: status.FAILED_PRECONDITION,
  missing: status.NOT_FOUND,
  exists: status.ALREADY_EXISTS,
  overload: status.RESOURCE_EXHAUSTED,
  exhausted: status.OUT_OF_RANGE,
  cancelled: status.CANCELLED,
  unavailable: status.UNAVAILABLE,
  damaged: status.DATA_LOSS,
  internal: status.INTERNAL,
};

/** The field that is wrong where an error names no value: it is missing. */
const MISSING: { readonly [R in Reason]?: readonly string[] } = {
  REQUEST_ID_REQUIRED: ['request_id'],
  KEY_MISSING: ['key'],
  STORE_FIELD_INVALID: ['store'],
  UPDATE_MASK_INVALID: ['update_mask'],
};

/** What a call that cannot be answered ends with. */
export type ErrorStatus = Pick<StatusObject, 'code' | 'details' | 'metadata'>;

/**
 * Turns an error into a status with google.rpc details (https://google.aip.dev/193). RetryInfo only where
 * `mayRetry`: a caller who sent no request_id would perhaps number an order twice by asking again. The
 * request_id of an unknown outcome is also named in the trailer `request-id`. `pathOf` says where in the request a field
 * of the error is.
 */
export function toStatus(error: OrderError, mayRetry: boolean, pathOf = (field: string) => field): ErrorStatus {
  const { kind, retryMs } = REASONS[error.reason];
  const code = CODE_OF[kind];
  const fields = Object.entries(error.fields).map(([name, value]) => [name, cut(value)]);
  const info = { reason: error.reason, domain: DOMAIN, metadata: Object.fromEntries(fields) };
  const details = [pack('google.rpc.ErrorInfo', ErrorInfo.encode(info).finish())];
  if (mayRetry && retryMs !== undefined) {
    const retryDelay = { seconds: BigInt(Math.trunc(retryMs / 1000)), nanos: (retryMs % 1000) * 1_000_000 };
    details.push(pack('google.rpc.RetryInfo', RetryInfo.encode({ retryDelay }).finish()));
  }
  if (kind === 'invalid') {
    const named = Object.keys(error.fields);
    const fieldViolations = (named.length > 0 ? named.map(pathOf) : (MISSING[error.reason] ?? [])).map((field) => ({
      field,
      description: error.message,
      reason: error.reason,
    }));
    details.push(pack('google.rpc.BadRequest', BadRequest.encode({ fieldViolations }).finish()));
  }
  const metadata = new Metadata();
  const rich = Status.encode({ code, message: error.message, details }).finish();
  metadata.set('grpc-status-details-bin', Buffer.from(rich));
  if (error.reason === 'OUTCOME_UNKNOWN' && error.fields['request_id'] !== undefined) {
    metadata.set('request-id', error.fields['request_id']);
  }
  return { code, details: error.message, metadata };
}

function pack(type: string, value: Uint8Array) {
  return { typeUrl: `type.googleapis.com/${type}`, value };
}

/** Cuts a value to its first bytes, at a character's border. */
function cut(value: string): string {
  const bytes = Buffer.from(value);
  return bytes.length <= MAX_VALUE_BYTES
    ? value
    : new TextDecoder().decode(bytes.subarray(0, MAX_VALUE_BYTES), { stream: true });
}
