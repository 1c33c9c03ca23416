import type { AllocationRequest } from '../allocation.ts';
import type { Allocator } from '../allocator.ts';
import type { Allocated, Caller, CallSignal } from './caller.ts';
import { OrderError } from '../errors.ts';
import type { EndedBatch } from '../observers.ts';
import { batchSizeInvalid, cancelled, draining, outcomeUnknown } from '../refusals.ts';

/** Requests in one call, at most. */
export const MAX_REQUESTS = 1000;

/** What became of one request of a call. */
export type Answer = Allocated | OrderError;

/** A call with several requests, each of which is answered as it would be alone. */
export class BatchCall {
  readonly signal: CallSignal;
  readonly origin: string;
  readonly #requests: readonly AllocationRequest[];
  readonly #answers: (Answer | undefined)[];
  #left: number;
  #hasBegun = false;
  #lastBatch: EndedBatch | undefined;
  readonly #done = Promise.withResolvers<readonly Answer[]>();

  /** Throws BATCH_SIZE_INVALID. An empty `requestId` is absent. */
  constructor(requests: readonly AllocationRequest[], signal: CallSignal, origin: string) {
    if (requests.length < 1 || requests.length > MAX_REQUESTS) throw batchSizeInvalid(requests.length, MAX_REQUESTS);
    this.#requests = requests;
    this.signal = signal;
    this.origin = origin;
    this.#left = requests.length;
    this.#answers = Array.from({ length: requests.length });
  }

  /** The number of its requests. */
  get size(): number {
    return this.#requests.length;
  }

  /** Resolves with one answer per request, in their order. */
  get answers(): Promise<readonly Answer[]> {
    return this.#done.promise;
  }

  /** The last batch of the ledger that had requests of the call; undefined if none had. */
  get lastBatch(): EndedBatch | undefined {
    return this.#lastBatch;
  }

  get isAnswered(): boolean {
    return this.#left === 0;
  }

  /** Queues the requests. Throws DRAINING; whatever `check` throws is the answer to that request alone. */
  allocate(allocator: Allocator, check: (request: AllocationRequest, place: number) => void): void {
    if (allocator.isDraining) throw draining();
    this.#hasBegun = true;
    for (const [i, request] of this.#requests.entries()) {
      const seat = new Seat(this, i);
      try {
        check(request, i);
        allocator.enqueue(request, seat);
      } catch (error) {
        if (!(error instanceof OrderError)) throw error;
        seat.reject(error);
      }
    }
  }

  /** Answers what is not answered yet: its outcome is unknown, or, if no request was queued, nothing was done. */
  giveUp(): void {
    this.settleRest(this.#hasBegun ? outcomeUnknown : cancelled);
  }

  /** Answers those requests that are not answered yet. */
  settleRest(refusalOf: (request: AllocationRequest) => OrderError): void {
    for (const [i, request] of this.#requests.entries()) {
      if (this.#answers[i] === undefined) this.settle(i, refusalOf(request));
    }
  }

  /** Answers the request at this place. The first answer counts. */
  settle(place: number, answer: Answer, batch?: EndedBatch): void {
    if (this.#answers[place] !== undefined) return;
    if (batch) this.#lastBatch = batch;
    this.#answers[place] = answer;
    if (--this.#left === 0) this.#done.resolve(this.#answers as Answer[]);
  }
}

/** The place of one request in its call. */
class Seat implements Caller {
  readonly #call: BatchCall;
  readonly #place: number;

  constructor(call: BatchCall, place: number) {
    this.#call = call;
    this.#place = place;
  }

  get signal(): CallSignal {
    return this.#call.signal;
  }

  get origin(): string {
    return this.#call.origin;
  }

  resolve(answer: Allocated, batch: EndedBatch): void {
    this.#call.settle(this.#place, answer, batch);
  }

  reject(error: OrderError, batch?: EndedBatch): void {
    this.#call.settle(this.#place, error, batch);
  }
}
