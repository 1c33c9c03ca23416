import { setTimeout as delay } from 'node:timers/promises';

const FIRST_MS = 20;
const MAX_MS = 500;

/** The pauses between attempts at one thing: each is twice as long as the one before it, up to half a second. */
export class BackOff {
  #nextMs: number;

  constructor(firstMs = FIRST_MS) {
    this.#nextMs = firstMs;
  }

  /** How long the next pause will be. */
  get nextMs(): number {
    return this.#nextMs;
  }

  /** Ends early once the signal is aborted, which the caller has to check. */
  async pause(signal?: AbortSignal): Promise<void> {
    const ms = this.#nextMs;
    this.#nextMs = Math.min(2 * ms, MAX_MS);
    // Only a signal makes it reject.
    await delay(ms, undefined, { signal }).catch(() => {});
  }
}
