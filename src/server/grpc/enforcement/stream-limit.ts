import { OrderError } from '../../../core/errors.ts';

/** Streams of one method that may be open at the same time. */
export interface StreamBounds {
  readonly inAll: number;
  /** Unless given, one connection may have them all. */
  readonly perConnection?: number;
}

/** Counts the open streams of one method. */
export class StreamLimit {
  readonly #method: string;
  readonly #bounds: Required<StreamBounds>;
  readonly #byConnection = new Map<string, number>();
  #inAll = 0;

  constructor(method: string, { inAll, perConnection = inAll }: StreamBounds) {
    this.#method = method;
    this.#bounds = { inAll, perConnection };
  }

  /** `peer` names the connection. Returns a function to call once when the stream ends; throws QUEUE_FULL. */
  enter(peer: string): () => void {
    const ofPeer = this.#byConnection.get(peer) ?? 0;
    const { inAll, perConnection } = this.#bounds;
    if (this.#inAll >= inAll) throw full(`${this.#inAll} calls of ${this.#method} are running; retry later`);
    if (ofPeer >= perConnection) {
      throw full(`${ofPeer} calls of ${this.#method} are running on this connection; end one of them first`);
    }
    this.#inAll++;
    this.#byConnection.set(peer, ofPeer + 1);
    return () => {
      this.#inAll--;
      const left = (this.#byConnection.get(peer) ?? 1) - 1;
      if (left === 0) this.#byConnection.delete(peer);
      else this.#byConnection.set(peer, left);
    };
  }
}

function full(message: string): OrderError {
  return new OrderError('QUEUE_FULL', message);
}
