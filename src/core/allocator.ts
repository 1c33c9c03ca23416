import type { AllocationRequest } from './allocation.ts';
import { checkCount, checkRequestId, checkStoreId, newRequestId } from './allocation.ts';
import { BatchQueue } from './batch-queue.ts';
import type { AllocateCall, Allocated, Caller } from './calls/caller.ts';
import { CopyLimit } from './calls/copy-limit.ts';
import { RotatingMap } from './calls/rotating-map.ts';
import { OrderError } from './errors.ts';
import type { Ledger, Outcome } from './ledger.ts';
import type { BatchObserver, BatchSummary, EndedBatch } from './observers.ts';
import { cancelled, draining, mismatch, outcomeUnknown, queueFull, requestIdRequired } from './refusals.ts';

export interface AllocatorOptions {
  readonly ledger: Ledger;
  /** Requests in one transaction, at most. */
  readonly maxBatch: number;
  /** Requests waiting for a transaction, at most, and as many copies of requests under way. */
  readonly maxQueue: number;
  /** The share of a full queue, above 0 and up to 1, that one origin may claim from origins that hold more. */
  readonly maxQueueShare: number;
  /** Whether to refuse calls without a request_id instead of creating one. */
  readonly requireRequestId: boolean;
  readonly observer?: BatchObserver;
}

/** A {@link BatchSummary} that is still being counted. */
type Counts = { -readonly [Key in keyof BatchSummary]: BatchSummary[Key] };

/** A request on its way to the ledger, with all its callers: racing copies share one, and the first names it. */
interface Pending {
  readonly key: string;
  readonly request: AllocationRequest;
  /** That of the first caller, even once it is gone. */
  readonly origin: string;
  readonly callers: Caller[];
}

/** Turns calls into batches: checks them, joins racing copies, queues them, and answers what is on disk. */
export class Allocator {
  readonly #options: AllocatorOptions;
  readonly #queue: BatchQueue<Pending>;
  /** Requests queued or in flight, by key, so that the keys of a batch are distinct. */
  readonly #pending = new RotatingMap<string, Pending>();
  /** Every caller of a pending request but its first. */
  readonly #copies: CopyLimit;
  readonly #full = queueFull();
  #draining = false;

  constructor(options: AllocatorOptions) {
    this.#options = options;
    this.#copies = new CopyLimit(options.maxQueue, options.maxQueueShare);
    this.#queue = new BatchQueue<Pending>({
      maxBatch: options.maxBatch,
      maxQueue: options.maxQueue,
      maxQueueShare: options.maxQueueShare,
      ready: () => options.ledger.ready(),
      isWanted: (pending) => this.#isWanted(pending),
      mayDisplace: (pending) => pending.callers.every(({ origin }) => origin === pending.origin),
      onRemoved: (pending, error) => this.#refuse(pending, error ?? cancelled()),
      onDisplaced: (pending) => this.#refuse(pending, this.#full),
      flush: (batch) => this.#commit(batch),
    });
  }

  get queueLength(): number {
    return this.#queue.length;
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  /**
   * Resolves with the allocation of (storeId, requestId) once it is durable. Rejects with an OrderError:
   * OUTCOME_UNKNOWN means that it may have been allocated, any other reason that this call allocated nothing.
   */
  allocate(call: AllocateCall): Promise<Allocated> {
    const { signal, origin } = call;
    return new Promise((resolve, reject) => this.enqueue(call, { signal, origin, resolve, reject }));
  }

  /** Lets the caller wait for its own request or for a racing copy of it. Throws an OrderError if that is refused. */
  enqueue(asked: AllocationRequest, caller: Caller): void {
    const request = this.#check(asked);
    if (this.#draining) throw draining();
    const key = keyOf(request);
    const racing = this.#pending.get(key);
    if (racing && racing.request.count !== request.count) throw mismatch(request, racing.request.count);

    if (racing) {
      if (!this.#copies.enter(caller.origin)) throw this.#full;
      racing.callers.push(caller);
    } else {
      const pending: Pending = { key, request, origin: caller.origin, callers: [caller] };
      if (!this.#queue.offer(pending, pending.origin)) throw this.#full;
      this.#pending.add(key, pending);
    }
  }

  /**
   * Refuses new calls and resolves to true when all earlier ones are answered. After `limitMs` it refuses the calls
   * that still wait, tells those of a batch in flight that their outcome is unknown, and resolves to false.
   */
  async drain(limitMs: number): Promise<boolean> {
    this.#draining = true;
    const limit = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => limit.resolve(false), limitMs);
    const drained = await Promise.race([this.#queue.idle().then(() => true), limit.promise]);
    clearTimeout(timer);
    if (!drained) {
      this.#queue.refuseWaiting(draining());
      for (const pending of this.#pending.values()) this.#refuse(pending, outcomeUnknown(pending.request));
    }
    return drained;
  }

  /** The same request if it has a key. */
  #check(asked: AllocationRequest): AllocationRequest {
    const { storeId, count, requestId, caller } = asked;
    checkStoreId(storeId);
    checkCount(count);
    if (requestId !== '') checkRequestId(requestId);
    else if (this.#options.requireRequestId) throw requestIdRequired();
    return requestId === '' ? { storeId, count, requestId: newRequestId(), caller } : asked;
  }

  /** Whether a caller still waits. If one does, drops those that are cancelled, so that they need not wait with it. */
  #isWanted({ callers }: Pending): boolean {
    if (callers.every(({ signal }) => signal.aborted)) return false;
    for (let i = callers.length - 1; i >= 0 && callers.length > 1; i--) {
      if (!callers[i]!.signal.aborted) continue;
      // The second takes the place of a first one that is gone, and is no copy any more.
      this.#copies.leave(callers[i || 1]!.origin);
      callers.splice(i, 1)[0]!.reject(cancelled());
    }
    return true;
  }

  /** The same when its batch is formed again. If it is dropped, it ends here, and a later copy is a new request. */
  #isStillWanted(pending: Pending): boolean {
    const isWanted = this.#isWanted(pending);
    if (!isWanted) this.#refuse(pending, cancelled());
    return isWanted;
  }

  async #commit(batch: Pending[]): Promise<void> {
    const formedAt = performance.now();
    const ended = (): EndedBatch => ({ requests: batch.length, formedAt, ms: performance.now() - formedAt });
    try {
      const requests = batch.map((pending) => pending.request);
      const outcomes = await this.#options.ledger.commit(requests, (index) => this.#isStillWanted(batch[index]!));
      const now = ended();
      const counts = { allocated: 0, replayed: 0, createTimeMs: 0, ms: now.ms };
      for (const [i, pending] of batch.entries()) this.#answer(pending, outcomes[i], now, counts);
      this.#options.observer?.committed(counts);
    } catch (error) {
      const nothingDone = error instanceof OrderError && error.reason === 'LEDGER_FULL';
      const now = ended();
      for (const pending of batch) {
        this.#refuse(pending, nothingDone ? error : outcomeUnknown(pending.request, error), now);
      }
    }
  }

  #answer(pending: Pending, outcome: Outcome | undefined, batch: EndedBatch, counts: Counts): void {
    if (!outcome) throw new Error('the ledger returned fewer outcomes than the batch has requests');
    if ('refused' in outcome) return this.#refuse(pending, outcome.refused, batch);
    const { allocation, replayed } = outcome;
    if (allocation.count !== pending.request.count) {
      return this.#refuse(pending, mismatch(pending.request, allocation.count), batch);
    }
    if (!replayed) {
      counts.allocated++;
      counts.createTimeMs = allocation.createTimeMs;
    }
    if (!this.#forget(pending)) return;
    counts.replayed += pending.callers.length - (replayed ? 0 : 1);
    // Exactly one racing copy, the first that still waits, is told that the pair is new.
    const { callers } = pending;
    const first = callers.length === 1 ? callers[0] : callers.find(({ signal }) => !signal.aborted);
    for (const caller of callers) caller.resolve(caller === first ? outcome : { allocation, replayed: true }, batch);
  }

  /** Returns false if its callers have their answers: of a drain, or it was dropped and a later copy may have its key. */
  #forget(pending: Pending): boolean {
    if (this.#pending.get(pending.key) !== pending) return false;
    this.#pending.delete(pending.key);
    for (let i = 1; i < pending.callers.length; i++) this.#copies.leave(pending.callers[i]!.origin);
    return true;
  }

  #refuse(pending: Pending, error: unknown, batch?: EndedBatch): void {
    if (!this.#forget(pending)) return;
    const refusal = error instanceof OrderError ? error : outcomeUnknown(pending.request, error);
    for (const caller of pending.callers) caller.reject(refusal, batch);
  }
}

function keyOf({ storeId, requestId }: AllocationRequest): string {
  return `${storeId} ${requestId}`;
}
