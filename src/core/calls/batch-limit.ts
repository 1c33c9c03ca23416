import { FairQueue } from '../fair-queue.ts';
import { cancelled, queueFull } from '../refusals.ts';
import type { Answer, BatchCall } from './batch-call.ts';
import { MAX_REQUESTS } from './batch-call.ts';

/** The bounds of a {@link BatchLimit}. */
export interface BatchLimitOptions {
  /** Requests of calls under way, answered ones included, at most; at least as many as one call may have. */
  readonly requests: number;
  /** Calls waiting for their turn, at most. */
  readonly maxWaiting: number;
}

/** A call, and what begins it. */
interface Waiting {
  readonly batch: BatchCall;
  begin(): Promise<void>;
}

/**
 * Bounds the requests of batches under way, answered ones included: the answers of a call are kept until its last one is
 * there, so the bound of the queue does not bound them. Further calls wait, and their callers take turns: to let a call
 * wait costs less than to refuse its requests one by one, to a caller that sends them again.
 */
export class BatchLimit {
  readonly #maxRequests: number;
  readonly #waiting: FairQueue<Waiting>;
  readonly #full = queueFull();
  #underWay = 0;

  constructor({ requests, maxWaiting }: BatchLimitOptions) {
    this.#maxRequests = requests;
    this.#waiting = new FairQueue<Waiting>({
      maxQueue: maxWaiting,
      maxQueueShare: 1,
      isWanted: ({ batch }) => !batch.isAnswered && !batch.signal.aborted,
      mayDisplace: () => true,
      onRemoved: ({ batch }) => batch.settleRest(cancelled),
      onDisplaced: ({ batch }) => batch.settleRest(() => this.#full),
    });
  }

  /**
   * Begins the call when it is its turn, and resolves to its answers. Rejects with what `begin` throws. If too many
   * calls wait, each of its requests is QUEUE_FULL. A call that is answered or cancelled meanwhile does not begin.
   */
  async run(batch: BatchCall, begin: () => void): Promise<readonly Answer[]> {
    const { promise, reject } = Promise.withResolvers<never>();
    const call: Waiting = {
      batch,
      begin: async () => {
        this.#underWay += batch.size;
        try {
          begin();
          await batch.answers;
        } catch (error) {
          reject(error);
        }
        this.#underWay -= batch.size;
        this.#next();
      },
    };
    if (this.#hasRoom) void call.begin();
    else if (!this.#waiting.offer(call, batch.origin)) batch.settleRest(() => this.#full);
    return Promise.race([batch.answers, promise]);
  }

  get #hasRoom(): boolean {
    return this.#underWay + MAX_REQUESTS <= this.#maxRequests;
  }

  #next(): void {
    while (this.#hasRoom && this.#waiting.length > 0) {
      for (const { begin } of this.#waiting.take(1)) void begin();
    }
  }
}
