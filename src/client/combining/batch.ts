import type { StatusObject } from '@grpc/grpc-js';
import { Metadata, status } from '@grpc/grpc-js';
import { Status } from '../../wire/gen/google/rpc/status.ts';
import type { BatchAllocateOrdersResponse, BatchAllocateOrdersResult } from '../../wire/gen/orders/v1/orders.ts';
import { OrderNumberServiceService as service } from '../../wire/gen/orders/v1/orders.ts';
import { DETAILS_TRAILER } from '../../wire/status-details.ts';
import type { Attempt, Connection } from '../connection/connection.ts';
import { AttemptFailed } from '../failure.ts';
import type { Holder, WaitingRequest } from './waiting-request.ts';

/** Requests in one call, at most. */
const MAX_REQUESTS = 1_000;
/** The message of one call, at most: the server receives up to 256 KiB. */
const MAX_BYTES = 256 * 1024 - 1;

/** Takes the oldest requests out of a queue, up to `most`, as many as fit into one call, and at least one. */
export function takeBatch(waiting: Set<WaitingRequest>, most: number): WaitingRequest[] {
  const limit = Math.min(most, MAX_REQUESTS);
  const taken: WaitingRequest[] = [];
  let bytes = 0;
  for (const request of waiting) {
    bytes += request.bytes;
    if (taken.length >= limit || (taken.length > 0 && bytes > MAX_BYTES)) break;
    waiting.delete(request);
    taken.push(request);
  }
  return taken;
}

/** One call of BatchAllocateOrders. It is cancelled when all of its callers have left. */
export class Batch implements Holder {
  readonly #requests: readonly WaitingRequest[];
  readonly #attempt: Attempt<BatchAllocateOrdersResponse>;
  readonly #stop = new AbortController();
  #callers: number;

  /** Sends the requests. The deadline of the call is the latest of theirs, each within `attemptTimeoutMs`. */
  constructor(requests: readonly WaitingRequest[], attemptTimeoutMs: number, connection: Connection) {
    const now = performance.now();
    const latestEndMs = requests.reduce((latest, { endMs }) => Math.max(latest, endMs), now);
    const timeoutMs = Math.min(attemptTimeoutMs, latestEndMs - now);
    this.#requests = requests;
    this.#callers = requests.length;
    for (const request of requests) request.joins(this, now + timeoutMs);
    this.#attempt = connection.call(
      service.batchAllocateOrders,
      { requests: requests.map(({ wanted }) => ({ ...wanted, count: wanted.count ?? 1 })) },
      timeoutMs,
      [connection.closed, this.#stop.signal],
    );
  }

  /**
   * Gives each caller that is still there its own answer. Returns the requests if the server does not know the method:
   * then they are not done, and not answered.
   */
  async settle(): Promise<readonly WaitingRequest[]> {
    try {
      const { results } = await this.#attempt.answer;
      if (results.length !== this.#requests.length) {
        throw new Error(`the answer has ${results.length} results for ${this.#requests.length} requests`);
      }
      for (const [i, request] of this.#requests.entries()) if (!request.isOver) settle(request, results[i]!);
    } catch (error) {
      const failed = error instanceof AttemptFailed ? error : new AttemptFailed(error, true);
      if (isUnimplemented(failed)) return this.#requests;
      for (const request of this.#requests) if (!request.isOver) request.fail(failed);
    }
    return [];
  }

  release(): boolean {
    const wasSent = this.#attempt.wasSent();
    this.#callers--;
    if (this.#callers === 0) this.#stop.abort();
    return wasSent;
  }
}

/** What cannot be read, or answers another request, counts as no answer. */
function settle(request: WaitingRequest, { result }: BatchAllocateOrdersResult): void {
  const { storeId, requestId } = request.wanted;
  if (result?.$case === 'response') {
    const { allocation } = result.value;
    if (allocation && (allocation.requestId !== requestId || allocation.storeId !== storeId)) {
      return request.fail(answerless(`the answer is for request_id ${allocation.requestId} of another request`));
    }
    return request.succeed(result.value);
  }
  if (result === undefined || result.value.code === status.OK) return request.fail(answerless('the result is empty'));
  request.fail(new AttemptFailed(callError(result.value), true));
}

function answerless(message: string): AttemptFailed {
  return new AttemptFailed(new Error(message), true);
}

/** The error with which the library ends a call of this status. */
function callError(result: Status): Error & StatusObject {
  const metadata = new Metadata();
  metadata.set(DETAILS_TRAILER, Buffer.from(Status.encode(result).finish()));
  const { code, message } = result;
  return Object.assign(new Error(`${code} ${status[code] ?? ''}: ${message}`), { code, details: message, metadata });
}

function isUnimplemented({ cause }: AttemptFailed): boolean {
  return (cause as Partial<StatusObject> | undefined)?.code === status.UNIMPLEMENTED;
}
