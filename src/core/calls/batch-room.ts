import type { Answer } from './batch-call.ts';
import { queueFull } from '../refusals.ts';

/**
 * Bounds the requests of batches under way, answered ones included: the answers of a call are kept until its last one is
 * there, so the bound of the queue does not bound them.
 */
export class BatchRoom {
  readonly #most: number;
  #held = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** What `allocate` resolves to; if there is no room for so many requests, each of them is QUEUE_FULL. */
  async run(requests: number, allocate: () => Promise<readonly Answer[]>): Promise<readonly Answer[]> {
    if (this.#held + requests > this.#most) return Array.from({ length: requests }, queueFull);
    this.#held += requests;
    try {
      return await allocate();
    } finally {
      this.#held -= requests;
    }
  }
}
