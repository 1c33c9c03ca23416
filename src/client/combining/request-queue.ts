import { Deadlines } from './deadlines.ts';
import type { Holder, WaitingRequest } from './waiting-request.ts';

/** Requests in one call, at most. */
const MAX_REQUESTS = 1_000;
/** Bytes in the message of one call, at most: the server accepts up to 256 KiB. */
const MAX_BYTES = 256 * 1024 - 1;
/** Bytes that one request takes in a batch beside its request_id, at most: tags, lengths, store_id and count. */
const FRAME_BYTES = 40;

/** The requests that wait for the next call, oldest first. */
export class RequestQueue implements Holder {
  readonly #requests = new Set<WaitingRequest>();
  readonly #deadlines = new Deadlines(this.#requests);

  get length(): number {
    return this.#requests.size;
  }

  add(request: WaitingRequest): void {
    this.#requests.add(request);
    this.#deadlines.add(request.endMs);
  }

  /** Takes the oldest, up to `most` and as many as fit into one call, but at least one. */
  take(most: number): WaitingRequest[] {
    const limit = Math.min(most, MAX_REQUESTS);
    const taken: WaitingRequest[] = [];
    let bytes = 0;
    for (const request of this.#requests) {
      bytes += FRAME_BYTES + Buffer.byteLength(request.requestId);
      if (taken.length >= limit || (taken.length > 0 && bytes > MAX_BYTES)) break;
      taken.push(request);
      this.#requests.delete(request);
    }
    this.#clearIfEmpty();
    return taken;
  }

  takeAll(): WaitingRequest[] {
    const taken = [...this.#requests];
    this.#requests.clear();
    this.#deadlines.clear();
    return taken;
  }

  /** Lets go of a request that waits, and so was not sent. */
  release(request: WaitingRequest): false {
    this.#requests.delete(request);
    this.#clearIfEmpty();
    return false;
  }

  /** A timer that is left would keep the process alive. */
  #clearIfEmpty(): void {
    if (this.length === 0) this.#deadlines.clear();
  }
}
