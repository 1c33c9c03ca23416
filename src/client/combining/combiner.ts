import { status } from '@grpc/grpc-js';
import type { AllocateOrdersRequest } from '../../wire/gen/orders/v1/orders.ts';
import type { Allocated, ClientOptions } from '../api.ts';
import type { Connection } from '../connection/connection.ts';
import { AttemptFailed, failureFrom } from '../failure.ts';
import { allocationOf } from '../policy.ts';
import { gaveUp, Retries } from '../retry.ts';
import { Batch } from './batch.ts';
import { RequestQueue } from './request-queue.ts';
import type { Sender } from './waiting-request.ts';
import { WaitingRequest } from './waiting-request.ts';

/** Allocations without an answer, at most. */
const MAX_UNANSWERED = 100_000;
/** Calls in flight, at most … */
const USUAL_CALLS = 2;
/** … unless they have been in flight for this long: then more are sent … */
const PATIENCE_MS = 50;
/** … up to this many. */
const MAX_CALLS = 8;
/** Up to this many requests go in one call: fewer are not worth another one. */
const MIN_SHARE = 20;
/** How long a server that does not know BatchAllocateOrders gets single calls on the same connection. */
const UNIMPLEMENTED_MS = 60_000;
const TOO_MANY = {
  code: status.RESOURCE_EXHAUSTED,
  details: `${MAX_UNANSWERED} allocations of this client have no answer yet: await some of them first`,
};

/**
 * Sends the requests of many callers in few calls. Those made in one turn of the event loop, or while calls are in
 * flight, become the next call, so no timer delays a request. Many are spread over two calls. A lone one is sent by its
 * own method.
 *
 * It does not share the core's BatchQueue, which has one flush in flight, is fair to many origins, and polls whether its
 * items are still wanted. Here all requests are of one origin, each leaves by itself, and the number of calls depends on
 * how long they take.
 */
export class Combiner implements Sender {
  readonly connection: Connection;
  readonly attemptTimeoutMs: number;
  readonly #onRetrying: ClientOptions['onRetrying'];
  readonly #waiting = new RequestQueue();
  /** The calls in flight, oldest first. */
  readonly #calls = new Set<{ readonly startMs: number }>();
  #unanswered = 0;
  /** Requests in the calls in flight. */
  #sent = 0;
  #isSending = false;
  #later: NodeJS.Timeout | undefined;
  /** Until this time, by performance.now(), requests are sent singly. */
  #singleUntilMs = -Infinity;
  #isWatching = false;

  constructor(connection: Connection, attemptTimeoutMs: number, onRetrying: ClientOptions['onRetrying']) {
    this.connection = connection;
    this.attemptTimeoutMs = attemptTimeoutMs;
    this.#onRetrying = onRetrying;
    connection.closed.addEventListener('abort', () => this.#close(), { once: true });
  }

  /** One allocation with its retries: each waits for its turn, and has the same key. */
  allocate(
    wanted: AllocateOrdersRequest,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    resolve: (allocated: Allocated) => void,
    reject: (error: unknown) => void,
  ): void {
    if (this.#unanswered >= MAX_UNANSWERED) {
      const failure = failureFrom(new AttemptFailed(TOO_MANY, false, false));
      return reject(gaveUp(allocationOf(wanted.requestId), failure, 1, false));
    }
    const request = new WaitingRequest(wanted, timeoutMs, signal, this, resolve, reject);
    if (this.#onRetrying || signal?.aborted || !this.connection.isConnected) request.expectRetries();
    this.#unanswered++;
    this.sendAgain(request);
  }

  sendAgain(request: WaitingRequest): void {
    this.#waiting.add(request);
    request.enterQueue(this.#waiting);
    this.#sendSoon();
  }

  retriesOf({ requestId, timeoutMs, endMs, signal }: WaitingRequest): Retries {
    const { closed } = this.connection;
    const limits = {
      timeoutMs,
      unreachableTimeoutMs: timeoutMs,
      signals: signal ? [closed, signal] : [closed],
      onRetrying: this.#onRetrying,
    };
    return new Retries(allocationOf(requestId), limits, this.connection, endMs - timeoutMs);
  }

  ended(): void {
    this.#unanswered--;
  }

  /** Sends at the end of this turn of the event loop, so that one call has everything that the turn asks for. */
  #sendSoon(): void {
    if (this.#isSending || this.#waiting.length === 0) return;
    this.#isSending = true;
    setImmediate(() => {
      this.#isSending = false;
      this.#send();
    });
  }

  #send(): void {
    if (performance.now() < this.#singleUntilMs) return this.#sendSingly();
    while (this.#waiting.length > 0) {
      const waitMs = this.#nextCallMs() - performance.now();
      if (waitMs > 0) return this.#sendLater(waitMs);
      void this.#call(this.#waiting.take(this.#share()));
    }
  }

  /**
   * Requests in the next call, at most. With all of them in one call, the client would be idle while the server works,
   * and the server while the client does; two calls of very different sizes are little better.
   */
  #share(): number {
    return Math.max(MIN_SHARE, Math.ceil((this.#sent + this.#waiting.length) / USUAL_CALLS));
  }

  /** When the next call may be sent, by performance.now(). */
  #nextCallMs(): number {
    if (this.#calls.size < USUAL_CALLS) return 0;
    if (this.#calls.size >= MAX_CALLS) return Infinity;
    // At least two, and all but one, have to be older than the patience: so two calls are sent at a time.
    const starts = Array.from(this.#calls, ({ startMs }) => startMs);
    return starts[Math.max(USUAL_CALLS, starts.length - 1) - 1]! + PATIENCE_MS;
  }

  #sendLater(waitMs: number): void {
    if (this.#later !== undefined || waitMs === Infinity) return;
    this.#later = setTimeout(() => {
      this.#later = undefined;
      this.#send();
    }, waitMs);
  }

  /** Never rejects. */
  async #call(requests: WaitingRequest[]): Promise<void> {
    const call = { startMs: performance.now() };
    this.#calls.add(call);
    this.#sent += requests.length;
    if (requests.length === 1) await requests[0]!.sendAlone();
    else await this.#callTogether(requests);
    this.#calls.delete(call);
    this.#sent -= requests.length;
    this.#sendSoon();
  }

  async #callTogether(requests: WaitingRequest[]): Promise<void> {
    const unknown = await new Batch(requests, this.attemptTimeoutMs, this.connection).settle();
    if (unknown.length === 0) return;
    this.#stopCombining();
    for (const request of unknown) void request.sendAlone();
  }

  #stopCombining(): void {
    this.#singleUntilMs = performance.now() + UNIMPLEMENTED_MS;
    if (this.#isWatching) return;
    this.#isWatching = true;
    // The next connection may reach another server.
    this.connection.onceLost(() => {
      this.#isWatching = false;
      this.#singleUntilMs = -Infinity;
    });
  }

  /** Sends each request as a call of its own, however many there are. */
  #sendSingly(): void {
    for (const request of this.#waiting.takeAll()) void request.sendAlone();
  }

  #close(): void {
    clearTimeout(this.#later);
    const cancelled = new AttemptFailed(new Error('cancelled'), false);
    for (const request of this.#waiting.takeAll()) request.fail(cancelled);
  }
}
