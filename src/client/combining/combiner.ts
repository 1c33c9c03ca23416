import { status } from '@grpc/grpc-js';
import type { Allocated } from '../api.ts';
import type { Connection } from '../connection/connection.ts';
import { AttemptFailed, failureFrom } from '../failure.ts';
import { fromAllocated } from '../messages.ts';
import type { Limits, Policy } from '../retry.ts';
import { gaveUp, withRetries } from '../retry.ts';
import { Batch, takeBatch } from './batch.ts';
import type { OrderAnswer, OrderRequest } from './waiting-request.ts';
import { WaitingRequest } from './waiting-request.ts';

/** Calls without an answer, at most. */
const MAX_UNANSWERED = 100_000;
/** Calls of this many are under way … */
const USUAL_CALLS = 2;
/** … unless the oldest of them have been for so long: then more are sent, this many in all. */
const PATIENCE_MS = 50;
const MAX_CALLS = 8;
/** Requests that are not worth a further call. */
const MIN_SHARE = 20;
/** How long a server that did not know the method is not asked for it on the same connection. */
const UNIMPLEMENTED_MS = 60_000;
const TOO_MANY = {
  code: status.RESOURCE_EXHAUSTED,
  details: `${MAX_UNANSWERED} allocations of this client have no answer yet: await some of them first`,
};

/**
 * Sends the requests of many callers in few calls. What is asked in one turn of the event loop, and while calls are
 * under way, becomes the next call, so no timer delays a request. Many are spread over two calls. A lone one goes by its
 * own method.
 *
 * The core's BatchQueue is another thing: it has one flush in flight, is fair to many origins, and asks its items from
 * time to time whether they are still wanted. Here all requests are of one origin, each leaves by itself, and the number
 * of calls depends on how long they take.
 */
export class Combiner {
  readonly #connection: Connection;
  readonly #attemptTimeoutMs: number;
  /** Oldest first. */
  readonly #waiting = new Set<WaitingRequest>();
  /** The calls under way, oldest first. */
  readonly #calls = new Set<{ readonly startMs: number }>();
  #unanswered = 0;
  /** Requests in the calls under way. */
  #sent = 0;
  #isSending = false;
  #later: NodeJS.Timeout | undefined;
  /** Until then requests go singly, by performance.now(). */
  #singleUntilMs = -Infinity;
  #isWatching = false;

  constructor(connection: Connection, attemptTimeoutMs: number) {
    this.#connection = connection;
    this.#attemptTimeoutMs = attemptTimeoutMs;
    connection.closed.addEventListener('abort', () => this.#close(), { once: true });
  }

  /** One call of a caller, with its retries: each waits for its turn, and carries the same key. */
  async allocate(
    wanted: OrderRequest,
    signal: AbortSignal | undefined,
    policy: Policy,
    limits: Limits,
  ): Promise<Allocated> {
    if (this.#unanswered >= MAX_UNANSWERED) {
      throw gaveUp(policy, failureFrom(new AttemptFailed(TOO_MANY, false, false)), 1, false);
    }
    this.#unanswered++;
    try {
      const attempt = async (msLeft: number) => fromAllocated(await this.#ask(wanted, msLeft, signal));
      return await withRetries(attempt, policy, limits, this.#connection);
    } finally {
      this.#unanswered--;
    }
  }

  /** Lets go of a request that waits, and so was not sent. */
  release(request: WaitingRequest): false {
    this.#waiting.delete(request);
    return false;
  }

  #ask(wanted: OrderRequest, msLeft: number, signal: AbortSignal | undefined): Promise<OrderAnswer> {
    const request = new WaitingRequest(wanted, msLeft, signal, this.#connection, this);
    this.#waiting.add(request);
    this.#sendSoon();
    return request.answer;
  }

  /** At the end of this turn of the event loop, with everything that it asks for. */
  #sendSoon(): void {
    if (this.#isSending || this.#waiting.size === 0) return;
    this.#isSending = true;
    setImmediate(() => {
      this.#isSending = false;
      this.#send();
    });
  }

  #send(): void {
    if (performance.now() < this.#singleUntilMs) return this.#sendSingly();
    while (this.#waiting.size > 0) {
      const waitMs = this.#nextCallMs() - performance.now();
      if (waitMs > 0) return this.#sendLater(waitMs);
      void this.#call(takeBatch(this.#waiting, this.#share()));
    }
  }

  /**
   * How many requests the next call has, at most. With all of them in one call, the client would be idle while the
   * server works, and the server while the client does; two calls of very different sizes are little better.
   */
  #share(): number {
    return Math.max(MIN_SHARE, Math.ceil((this.#sent + this.#waiting.size) / USUAL_CALLS));
  }

  /** When the next call may be sent, by performance.now(). */
  #nextCallMs(): number {
    if (this.#calls.size < USUAL_CALLS) return 0;
    if (this.#calls.size >= MAX_CALLS) return Infinity;
    // At least two have to be older than the patience, and at most one younger.
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
  async #call(requests: readonly WaitingRequest[]): Promise<void> {
    const call = { startMs: performance.now() };
    this.#calls.add(call);
    this.#sent += requests.length;
    if (requests.length === 1) await requests[0]!.sendAlone(this.#attemptTimeoutMs);
    else await this.#callTogether(requests);
    this.#calls.delete(call);
    this.#sent -= requests.length;
    this.#sendSoon();
  }

  async #callTogether(requests: readonly WaitingRequest[]): Promise<void> {
    const unknown = await new Batch(requests, this.#attemptTimeoutMs, this.#connection).settle();
    if (unknown.length === 0) return;
    this.#stopCombining();
    for (const request of unknown) void request.sendAlone(this.#attemptTimeoutMs);
  }

  #stopCombining(): void {
    this.#singleUntilMs = performance.now() + UNIMPLEMENTED_MS;
    if (this.#isWatching) return;
    this.#isWatching = true;
    // Another server may answer on the next connection.
    this.#connection.onceLost(() => {
      this.#isWatching = false;
      this.#singleUntilMs = -Infinity;
    });
  }

  /** Each as a call of its own, as many as there are. */
  #sendSingly(): void {
    const requests = [...this.#waiting];
    this.#waiting.clear();
    for (const request of requests) void request.sendAlone(this.#attemptTimeoutMs);
  }

  #close(): void {
    clearTimeout(this.#later);
    const cancelled = new AttemptFailed(new Error('cancelled'), false);
    for (const request of this.#waiting) request.fail(cancelled);
    this.#waiting.clear();
  }
}
