import type { StatusObject } from '@grpc/grpc-js';
import { Metadata, status } from '@grpc/grpc-js';
import { Status } from '../../wire/gen/google/rpc/status.ts';
import type {
  Allocation,
  BatchAllocateOrdersResponse,
  BatchAllocateOrdersResult,
} from '../../wire/gen/orders/v1/orders.ts';
import { OrderNumberServiceService as service } from '../../wire/gen/orders/v1/orders.ts';
import { DETAILS_TRAILER } from '../../wire/status-details.ts';
import type { Attempt, Connection } from '../connection/connection.ts';
import { AttemptFailed } from '../failure.ts';
import { Deadlines } from './deadlines.ts';
import type { Holder, WaitingRequest } from './waiting-request.ts';

/**
 * One call of BatchAllocateOrders. It is cancelled once all of its callers have left; before it is sent, as soon as one
 * has.
 */
export class Batch implements Holder {
  readonly #requests: WaitingRequest[];
  readonly #attempt: Attempt<BatchAllocateOrdersResponse>;
  readonly #deadlines: Deadlines;
  readonly #stop = new AbortController();
  #callers: number;

  /** Sends the requests. The call has the latest of their deadlines, or `attemptTimeoutMs` if that is earlier. */
  constructor(requests: WaitingRequest[], attemptTimeoutMs: number, connection: Connection) {
    const now = performance.now();
    let [earliestMs, latestMs] = [Infinity, now];
    for (const request of requests) {
      request.enterBatch(this);
      earliestMs = Math.min(earliestMs, request.endMs);
      latestMs = Math.max(latestMs, request.endMs);
    }
    const timeoutMs = Math.min(attemptTimeoutMs, latestMs - now);
    this.#requests = requests;
    this.#callers = requests.length;
    this.#deadlines = new Deadlines(requests);
    if (earliestMs < now + timeoutMs) this.#deadlines.add(earliestMs);
    this.#attempt = connection.call(service.batchAllocateOrders, { requests }, timeoutMs, [
      connection.closed,
      this.#stop.signal,
    ]);
  }

  /**
   * Gives each caller that still waits its own answer. Resolves to the requests, none of them answered, if the server
   * does not know the method, and to none otherwise.
   */
  async settle(): Promise<readonly WaitingRequest[]> {
    try {
      const { results } = await this.#attempt.answer;
      if (results.length !== this.#requests.length) {
        throw new Error(`the answer has ${results.length} results for ${this.#requests.length} requests`);
      }
      for (let i = 0; i < results.length; i++) {
        const request = this.#requests[i]!;
        if (request.isHeldBy(this)) settle(request, results[i]!);
      }
    } catch (error) {
      const failed = error instanceof AttemptFailed ? error : new AttemptFailed(error, true);
      if (isUnimplemented(failed)) return this.#requests;
      for (const request of this.#requests) {
        if (!request.isHeldBy(this)) continue;
        if (this.#stop.signal.aborted) request.sendAgain();
        else request.fail(failed);
      }
    } finally {
      this.#deadlines.clear();
    }
    return [];
  }

  release(): boolean {
    const wasSent = this.#attempt.wasSent();
    this.#callers--;
    // A message that waits for a connection would be sent whole: the others get a call without this request.
    if (this.#callers === 0 || !wasSent) this.#stop.abort();
    return wasSent;
  }
}

/** A result that cannot be read, or is that of another request, counts as no answer. */
function settle(request: WaitingRequest, { result }: BatchAllocateOrdersResult): void {
  if (result?.$case === 'response') {
    const { allocation } = result.value;
    if (allocation && !isAnswerTo(request, allocation)) {
      return request.fail(answerless(`the answer is for request_id ${allocation.requestId} of another request`));
    }
    return request.succeed(result.value);
  }
  if (result === undefined || result.value.code === status.OK) return request.fail(answerless('the result is empty'));
  request.fail(new AttemptFailed(callError(result.value), true));
}

/** Two requests of one call may have the same key, and different counts. */
function isAnswerTo(request: WaitingRequest, { storeId, requestId, count }: Allocation): boolean {
  return requestId === request.requestId && storeId === request.storeId && count === request.count;
}

function answerless(message: string): AttemptFailed {
  return new AttemptFailed(new Error(message), true);
}

/** The error that grpc-js would give to a single call with this status. */
function callError(result: Status): Error & StatusObject {
  const metadata = new Metadata();
  metadata.set(DETAILS_TRAILER, Buffer.from(Status.encode(result).finish()));
  const { code, message } = result;
  return Object.assign(new Error(`${code} ${status[code] ?? ''}: ${message}`), { code, details: message, metadata });
}

function isUnimplemented({ cause }: AttemptFailed): boolean {
  return (cause as Partial<StatusObject> | undefined)?.code === status.UNIMPLEMENTED;
}
