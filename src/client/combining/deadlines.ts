import { OUT_OF_TIME } from '../failure.ts';
import { MAX_TIMER_MS } from '../stop.ts';
import type { WaitingRequest } from './waiting-request.ts';

/** The least time between two checks of all requests, in milliseconds. */
const PAUSE_MS = 5;

/** Ends requests when their time is up, with one timer for many: those of a call, or those that wait for one. */
export class Deadlines {
  readonly #requests: Iterable<WaitingRequest>;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires, by performance.now(). */
  #nextMs = Infinity;

  /** `requests` may include some that have left. */
  constructor(requests: Iterable<WaitingRequest>) {
    this.#requests = requests;
  }

  /** Makes sure that the timer fires at `endMs`, by performance.now(), or earlier. */
  add(endMs: number): void {
    if (endMs < this.#nextMs) this.#wait(endMs, 0);
  }

  /** Called when there are no more requests. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#nextMs = Infinity;
  }

  #wait(endMs: number, leastMs: number): void {
    clearTimeout(this.#timer);
    this.#nextMs = endMs;
    const waitMs = Math.max(leastMs, Math.ceil(endMs - performance.now()));
    this.#timer = setTimeout(() => this.#endLate(), Math.min(waitMs, MAX_TIMER_MS));
  }

  #endLate(): void {
    const now = performance.now();
    let next = Infinity;
    for (const request of this.#requests) {
      if (request.endMs <= now) request.leave(OUT_OF_TIME);
      else next = Math.min(next, request.endMs);
    }
    if (next === Infinity) this.clear();
    else this.#wait(next, PAUSE_MS);
  }
}
