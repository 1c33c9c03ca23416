import { setTimeout as delay } from 'node:timers/promises';
import type { CommitListener } from '../ledger.ts';
import { CommitFeed } from './commit-feed.ts';

const AFTER_FAILURE_MS = 500;

/** The feed of a ledger that other servers commit to, too: while there are listeners, it looks for the end of the ledger. */
export class SharedFeed extends CommitFeed {
  readonly #readEnd: () => Promise<{ readonly lastOrderId: bigint }>;
  readonly #everyMs: number;
  #isLooking = false;

  constructor(readEnd: () => Promise<{ readonly lastOrderId: bigint }>, everyMs: number) {
    super();
    this.#readEnd = readEnd;
    this.#everyMs = everyMs;
  }

  override listen(listener: CommitListener): () => void {
    const leave = super.listen(listener);
    if (!this.#isLooking) void this.#look();
    return leave;
  }

  /** Tells what other servers committed. Only the end is told, so nothing can be missed: order_ids have no hole. */
  async #look(): Promise<void> {
    this.#isLooking = true;
    while (this.hasListeners) {
      const pauseMs = await this.#readEnd().then(
        ({ lastOrderId }) => {
          this.endsAt(lastOrderId);
          return this.#everyMs;
        },
        () => AFTER_FAILURE_MS,
      );
      await delay(pauseMs, undefined, { ref: false });
    }
    this.#isLooking = false;
  }
}
