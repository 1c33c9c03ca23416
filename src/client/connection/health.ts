import type { Metadata } from '@grpc/grpc-js';
import { HealthCheckResponse_ServingStatus as Status, HealthService } from '../../wire/gen/grpc/health/v1/health.ts';
import type { ClientOptions } from '../api.ts';
import { Connection } from './connection.ts';
import type { Policy } from '../policy.ts';
import { withRetries } from '../retry.ts';

/** What a server says about its health. */
export interface Health {
  readonly isServing: boolean;
  /** Why it is not serving, such as `disk full`; undefined if it serves or does not say. */
  readonly reason: string | undefined;
}

/** A probe wants to know how the server is now. */
const ONCE: Policy = { mayRetry: () => false, advice: undefined };
/** The trailer in which our server says why it is not serving. */
const REASON_TRAILER = 'not-serving-reason';

/** Asks the server at `address` for its health, by grpc.health.v1. */
export class HealthProbe {
  readonly #connection: Connection;
  readonly #timeoutMs: number;

  /** Throws a TypeError that names the invalid option. */
  constructor(options: ClientOptions, timeoutMs: number) {
    this.#connection = new Connection(options);
    this.#timeoutMs = timeoutMs;
  }

  /**
   * The health of a service, by its full name; '' is the server as a whole. Makes one attempt. Rejects with an
   * OrderNumbersError if there is no answer, with the code NOT_FOUND if there is no such service.
   */
  async check(service: string): Promise<Health> {
    const timeoutMs = this.#timeoutMs;
    const limits = { timeoutMs, unreachableTimeoutMs: timeoutMs, signals: [] };
    let trailers: Metadata | undefined;
    const onTrailers = (received: Metadata) => void (trailers = received);
    const attempt = (msLeft: number) =>
      this.#connection.call(HealthService.check, { service }, msLeft, limits.signals, onTrailers).answer;
    const { status } = await withRetries(attempt, ONCE, limits, this.#connection);
    const reason = trailers?.get(REASON_TRAILER)[0]?.toString();
    return { isServing: status === Status.SERVING, reason };
  }

  close(): void {
    this.#connection.close();
  }
}
