import type { FairQueueOptions } from './fair-queue.ts';
import { FairQueue } from './fair-queue.ts';

/** How often a queue that forms no batch searches for unwanted items. */
const SWEEP_MS = 100;

/** How a {@link BatchQueue} processes its items. */
export interface BatchQueueOptions<Item> extends FairQueueOptions<Item> {
  /** Items in a batch, at most. */
  readonly maxBatch: number;
  /** Resolves when a batch may be formed; a rejection refuses everything that waits. */
  ready(): Promise<void>;
  /** Processes one batch. It settles the items itself and never rejects. */
  flush(batch: Item[]): Promise<void>;
}

/**
 * A bounded, fair queue with one flush in flight and no timer for batches: whatever waits when a flush ends becomes the
 * next batch. A lone item is flushed at once; a busy queue batches by itself.
 */
export class BatchQueue<Item> {
  readonly #options: BatchQueueOptions<Item>;
  readonly #waiting: FairQueue<Item>;
  #running = false;
  #batches = 0;
  #sweepIsDue = false;
  #idle = Promise.withResolvers<void>();

  constructor(options: BatchQueueOptions<Item>) {
    this.#options = options;
    this.#waiting = new FairQueue(options);
    this.#idle.resolve();
  }

  /** Items waiting for a batch. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Adds an item behind those of its key. Returns false if the queue is full, and nothing in it has to give way. */
  offer(item: Item, key: unknown): boolean {
    if (!this.#waiting.offer(item, key)) return false;
    if (!this.#running) void this.#run();
    if (!this.#sweepIsDue) this.#sweepLater();
    return true;
  }

  /** Resolves when nothing waits and no flush is in flight. */
  idle(): Promise<void> {
    return this.#idle.promise;
  }

  /** Refuses everything that waits; a flush in flight goes on. */
  refuseWaiting(error: unknown): void {
    this.#waiting.refuseAll(error);
  }

  async #run(): Promise<void> {
    this.#running = true;
    this.#idle = Promise.withResolvers();
    while (this.#waiting.length > 0) {
      try {
        await this.#options.ready();
      } catch (error) {
        this.refuseWaiting(error);
        continue;
      }
      // Drops unwanted items for the last time: an item of a formed batch is carried through.
      const batch = this.#waiting.take(this.#options.maxBatch);
      this.#batches++;
      if (batch.length > 0) await this.#options.flush(batch);
    }
    this.#running = false;
    this.#idle.resolve();
  }

  /** Forming a batch drops unwanted items. While none is formed, one timer for all items does. */
  #sweepLater(): void {
    this.#sweepIsDue = true;
    const batches = this.#batches;
    const sweep = () => {
      if (batches === this.#batches) this.#waiting.dropUnwanted();
      this.#sweepIsDue = false;
      if (this.#waiting.length > 0) this.#sweepLater();
    };
    setTimeout(sweep, SWEEP_MS).unref();
  }
}
