/** A full queue searches all its items for unwanted ones once per this many refusals. */
const REFUSALS_PER_SWEEP = 100;
/** How often a queue that forms no batch searches for unwanted items. */
const SWEEP_MS = 100;

/** How a {@link BatchQueue} processes its items. */
export interface BatchQueueOptions<Item> {
  /** Items waiting for a batch, at most. */
  readonly maxQueue: number;
  /** Items in a batch, at most. */
  readonly maxBatch: number;
  /** Resolves when a batch may be formed; a rejection refuses everything that waits. */
  ready(): Promise<void>;
  /** Whether a caller still wants this item. Asked while it waits, never after its batch is formed. */
  isWanted(item: Item): boolean;
  /** Called for each item that leaves the queue without a batch: unwanted (no error), or refused with one. */
  onRemoved(item: Item, error?: unknown): void;
  /** Processes one batch. It settles the items itself and never rejects. */
  flush(batch: Item[]): Promise<void>;
}

/**
 * A bounded first-in-first-out queue with one flush in flight and no timer for batches: whatever waits when a flush
 * ends becomes the next batch. A lone item is flushed at once; a busy queue batches by itself.
 */
export class BatchQueue<Item> {
  readonly #options: BatchQueueOptions<Item>;
  #waiting: Item[] = [];
  #running = false;
  /** Refusals since the queue last had room. */
  #refusals = 0;
  #batches = 0;
  #sweepIsDue = false;
  #idle = Promise.withResolvers<void>();

  constructor(options: BatchQueueOptions<Item>) {
    this.#options = options;
    this.#idle.resolve();
  }

  /** Items waiting for a batch. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Adds an item at the end, or returns false if the queue is full. */
  offer(item: Item): boolean {
    if (this.#waiting.length >= this.#options.maxQueue) {
      if (this.#refusals++ % REFUSALS_PER_SWEEP === 0) this.#waiting = this.#takeWanted(this.#waiting);
      if (this.#waiting.length >= this.#options.maxQueue) return false;
    }
    this.#refusals = 0;
    this.#waiting.push(item);
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
    for (const item of this.#waiting.splice(0)) this.#options.onRemoved(item, error);
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
      const batch = this.#formBatch();
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
      if (batches === this.#batches) this.#waiting = this.#takeWanted(this.#waiting);
      this.#sweepIsDue = false;
      if (this.#waiting.length > 0) this.#sweepLater();
    };
    setTimeout(sweep, SWEEP_MS).unref();
  }

  /** Drops unwanted items for the last time: an item of a formed batch is carried through. */
  #formBatch(): Item[] {
    this.#batches++;
    const batch: Item[] = [];
    while (batch.length < this.#options.maxBatch && this.#waiting.length > 0) {
      const next = this.#waiting.splice(0, this.#options.maxBatch - batch.length);
      batch.push(...this.#takeWanted(next));
    }
    return batch;
  }

  #takeWanted(items: Item[]): Item[] {
    return items.filter((item) => {
      const wanted = this.#options.isWanted(item);
      if (!wanted) this.#options.onRemoved(item);
      return wanted;
    });
  }
}
