import type { ClientOptions, ServiceError } from '@grpc/grpc-js';
import { Metadata } from '@grpc/grpc-js';
import type { ClientOptions as ConnectionOptions } from '../../../src/client/api.ts';
import { pems, security } from '../../../src/client/connection/tls.ts';
import type { BadRequest_FieldViolation } from '../../../src/wire/gen/google/rpc/error_details.ts';
import { BadRequest, ErrorInfo, RetryInfo } from '../../../src/wire/gen/google/rpc/error_details.ts';
import { Status } from '../../../src/wire/gen/google/rpc/status.ts';
import {
  HealthCheckResponse_ServingStatus as ServingStatus,
  HealthClient,
} from '../../../src/wire/gen/grpc/health/v1/health.ts';
import type { AllocateOrderRequest, AllocateOrderResponse } from '../../../src/wire/gen/orders/v1/orders.ts';
import { OrderNumberServiceClient } from '../../../src/wire/gen/orders/v1/orders.ts';

const CHANNEL_OPTIONS: ClientOptions = {
  // Each client has a connection of its own.
  'grpc.use_local_subchannel_pool': 1,
  // A test must see every failure.
  'grpc.enable_retries': 0,
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 200,
};
/** No test waits longer for one answer. */
const DEADLINE_MS = 50_000;

export interface ClientCallOptions {
  /** In milliseconds from now. */
  readonly deadlineMs?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
}

/** One connection to a server, for orders and for health. Errors are grpc-js's {@link ServiceError}. */
export interface OrdersClient {
  allocateOrder(request: AllocateOrderRequest, options?: ClientCallOptions): Promise<AllocateOrderResponse>;
  /** grpc.health.v1 Check; no service means the server as a whole. */
  checkHealth(service?: string): Promise<string>;
  /** grpc.health.v1 Watch, left open: each message as it comes. The stream's errors are swallowed. */
  watchHealth(onStatus: (status: string) => void): void;
  close(): void;
}

/** As the proto has it. */
function nameOf(status: ServingStatus): string {
  return Object.entries(ServingStatus).find(([, value]) => value === status)?.[0] ?? String(status);
}

/** Connects at the first call. `address` is host:port; close the client when the test ends. Without `tls`: plaintext. */
export function connect(address: string, tls?: ConnectionOptions['tls']): OrdersClient {
  const { credentials: channel, options } = security(new URL(`grpc://${address}`).hostname, pems(tls));
  const orders = new OrderNumberServiceClient(address, channel, { ...CHANNEL_OPTIONS, ...options });
  // The same channel: health is asked over the same connection.
  const health = new HealthClient(address, channel, { channelOverride: orders.getChannel() });

  return {
    allocateOrder(request, { deadlineMs = DEADLINE_MS, signal } = {}) {
      return new Promise((resolve, reject) => {
        const call = orders.allocateOrder(
          request,
          new Metadata(),
          { deadline: Date.now() + deadlineMs },
          (error, response) => (error ? reject(error) : resolve(response)),
        );
        signal?.addEventListener('abort', () => call.cancel(), { once: true });
        if (signal?.aborted) call.cancel();
      });
    },
    checkHealth(service = '') {
      return new Promise((resolve, reject) => {
        health.check({ service }, new Metadata(), { deadline: Date.now() + DEADLINE_MS }, (error, answer) =>
          error ? reject(error) : resolve(nameOf(answer.status)),
        );
      });
    },
    watchHealth(onStatus) {
      const stream = health.watch({ service: '' });
      stream.on('data', ({ status }: { readonly status: ServingStatus }) => onStatus(nameOf(status)));
      stream.on('error', () => {});
    },
    close() {
      orders.close();
    },
  };
}

/** What the server says about an error beside its code: google.rpc.ErrorInfo and RetryInfo. */
export interface ErrorDetails {
  readonly reason: string;
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Undefined if the server does not ask for a retry. */
  readonly retryDelayMs: number | undefined;
  /** Undefined if no field of the request is to blame. */
  readonly violations: readonly BadRequest_FieldViolation[] | undefined;
}

/** Decodes the trailer grpc-status-details-bin; undefined for a bare status, which is not our server's. */
export function errorDetails(error: ServiceError): ErrorDetails | undefined {
  const [trailer] = error.metadata.get('grpc-status-details-bin');
  if (!(trailer instanceof Uint8Array)) return undefined;
  return statusDetails(Status.decode(trailer));
}

/** The same of a google.rpc.Status, such as a result of a batch has. */
export function statusDetails({ details }: Status): ErrorDetails | undefined {
  const info = details.find(({ typeUrl }) => typeUrl === 'type.googleapis.com/google.rpc.ErrorInfo');
  if (!info) return undefined;
  const { reason, domain, metadata } = ErrorInfo.decode(info.value);
  const retry = details.find(({ typeUrl }) => typeUrl === 'type.googleapis.com/google.rpc.RetryInfo');
  const delay = retry && RetryInfo.decode(retry.value).retryDelay;
  const retryDelayMs = delay && Number(delay.seconds) * 1000 + delay.nanos / 1e6;
  const badRequest = details.find(({ typeUrl }) => typeUrl === 'type.googleapis.com/google.rpc.BadRequest');
  const violations = badRequest && BadRequest.decode(badRequest.value).fieldViolations;
  return { reason, domain, metadata, retryDelayMs, violations };
}

/** The error of a call that must fail; throws if it succeeds. */
export async function failureOf(call: Promise<unknown>): Promise<ServiceError> {
  try {
    await call;
  } catch (error) {
    if (isServiceError(error)) return error;
    throw error;
  }
  throw new Error('the call was answered, and should have failed');
}

/** Whether a thrown value is the status of a gRPC call. */
export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'metadata' in error && error.metadata instanceof Metadata;
}
