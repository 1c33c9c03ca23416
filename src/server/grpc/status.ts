import type { StatusObject } from '@grpc/grpc-js';
import { Metadata } from '@grpc/grpc-js';
import type { OrderError } from '../../core/errors.ts';
import { DETAILS_TRAILER, encodeDetails } from '../../wire/status-details.ts';
import { keyToRetryWith, refusalFor, toRpcStatus } from '../methods/rpc-status.ts';
import type { Refusal } from '../methods/unary.ts';

/** The status of a refused call. */
export type ErrorStatus = Pick<StatusObject, 'code' | 'details' | 'metadata'>;

/** The status of an error whose fields are at the top of the request. */
export function toStatus(error: OrderError, mayRetry: boolean): ErrorStatus {
  return statusOf(refusalFor(error, mayRetry));
}

/** Turns a refusal into a status with google.rpc details. */
export function statusOf(refusal: Refusal): ErrorStatus {
  const rpcStatus = toRpcStatus(refusal);
  const metadata = new Metadata();
  metadata.set(DETAILS_TRAILER, Buffer.from(encodeDetails(rpcStatus)));
  const key = keyToRetryWith(refusal.error);
  if (key !== undefined) metadata.set('request-id', key);
  return { code: rpcStatus.code, details: rpcStatus.message, metadata };
}
