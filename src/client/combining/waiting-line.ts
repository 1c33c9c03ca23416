import { Deadlines } from './deadlines.ts';
import type { Holder, WaitingRequest } from './waiting-request.ts';

/** Requests in one call, at most. */
const MAX_REQUESTS = 1_000;
/** The message of one call, at most: the server receives up to 256 KiB. */
const MAX_BYTES = 256 * 1024 - 1;
/** The tags and lengths of one request in a batch, and its store_id and count, in bytes at most. */
const FRAME_BYTES = 40;

/** The requests that wait for a call, oldest first. */
export class WaitingLine implements Holder {
  readonly #requests = new Set<WaitingRequest>();
  readonly #deadlines = new Deadlines(this.#requests);

  get length(): number {
    return this.#requests.size;
  }

  add(request: WaitingRequest): void {
    this.#requests.add(request);
    this.#deadlines.add(request.endMs);
  }

  /** Takes the oldest, up to `most`, as many as fit into one call, and at least one. */
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
    if (this.length === 0) this.#deadlines.clear();
    return taken;
  }

  /** Takes all. */
  takeAll(): WaitingRequest[] {
    const taken = [...this.#requests];
    this.#requests.clear();
    this.#deadlines.clear();
    return taken;
  }

  /** Lets go of a request that waits, and so was not sent. */
  release(request: WaitingRequest): false {
    this.#requests.delete(request);
    return false;
  }
}
