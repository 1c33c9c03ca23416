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
  #flushing = false;
  #batches = 0;
  #sweepIsDue = false;
  /** Set while somebody waits for it. */
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(options: BatchQueueOptions<Item>) {
    this.#options = options;
    this.#waiting = new FairQueue(options);
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
    this.#idle ??= Promise.withResolvers();
    const { promise } = this.#idle;
    this.#tellIfIdle();
    return promise;
  }

  /** Refuses everything that waits; a flush in flight goes on. */
  refuseWaiting(error: unknown): void {
    this.#waiting.refuseAll(error);
    this.#tellIfIdle();
  }

  async #run(): Promise<void> {
    this.#running = true;
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
      if (batch.length === 0) continue;
      this.#flushing = true;
      await this.#options.flush(batch);
      this.#flushing = false;
    }
    this.#running = false;
    this.#tellIfIdle();
  }

  /** It can be idle before it has stopped running: what waits for a ledger that does not open may expire. */
  #tellIfIdle(): void {
    if (this.#waiting.length > 0 || this.#flushing) return;
    this.#idle?.resolve();
    this.#idle = undefined;
  }

  /** Forming a batch drops unwanted items. While none is formed, one timer for all items does. */
  #sweepLater(): void {
    this.#sweepIsDue = true;
    const batches = this.#batches;
    const sweep = () => {
      if (batches === this.#batches) this.#waiting.dropUnwanted();
      this.#tellIfIdle();
      this.#sweepIsDue = false;
      if (this.#waiting.length > 0) this.#sweepLater();
    };
    setTimeout(sweep, SWEEP_MS).unref();
  }
}
