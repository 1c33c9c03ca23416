import { OrderError } from '../../core/errors.ts';

/** Streams of one method that may be open at the same time. */
export interface StreamBounds {
  readonly inAll: number;
  /** Streams of one caller, or of one connection if its callers have no name. */
  readonly perCaller: number;
}

/** Counts the open streams of one method. */
export class StreamLimit {
  readonly #method: string;
  readonly #bounds: StreamBounds;
  readonly #byCaller = new Map<string, number>();
  #inAll = 0;

  constructor(method: string, bounds: StreamBounds) {
    this.#method = method;
    this.#bounds = bounds;
  }

  /** `caller` names the caller or the connection. Returns a function to call once when the stream ends; throws QUEUE_FULL. */
  enter(caller: string): () => void {
    const ofCaller = this.#byCaller.get(caller) ?? 0;
    const { inAll, perCaller } = this.#bounds;
    if (this.#inAll >= inAll) throw full(`${this.#inAll} calls of ${this.#method} are running; retry later`);
    if (ofCaller >= perCaller) {
      throw full(`${ofCaller} calls of ${this.#method} are running for this caller; end one of them first`);
    }
    this.#inAll++;
    this.#byCaller.set(caller, ofCaller + 1);
    return () => {
      this.#inAll--;
      const left = (this.#byCaller.get(caller) ?? 1) - 1;
      if (left === 0) this.#byCaller.delete(caller);
      else this.#byCaller.set(caller, left);
    };
  }
}

function full(message: string): OrderError {
  return new OrderError('QUEUE_FULL', message);
}
