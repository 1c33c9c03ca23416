import { setTimeout as delay } from 'node:timers/promises';

/** The pauses between attempts at one thing: each is twice as long as the one before it, up to the longest. */
export class BackOff {
  readonly #maxMs: number;
  #nextMs: number;

  constructor(firstMs: number, maxMs: number) {
    this.#nextMs = firstMs;
    this.#maxMs = maxMs;
  }

  /** How long the next pause will be. */
  get nextMs(): number {
    return this.#nextMs;
  }

  /** Ends early once the signal is aborted, which whoever waits has to look at. */
  async pause(signal?: AbortSignal): Promise<void> {
    const ms = this.#nextMs;
    this.#nextMs = Math.min(2 * ms, this.#maxMs);
    // Only a signal makes it reject.
    await delay(ms, undefined, { signal }).catch(() => {});
  }
}
