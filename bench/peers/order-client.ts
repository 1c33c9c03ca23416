import type { Peer, RunningPeer } from '../peer.ts';

/** One order as its caller asks for it. */
export interface Order {
  readonly storeId: number;
  /** Retries of the same order have the same one. */
  readonly requestId: string;
}

/** What an order is answered with. */
export interface Pair {
  /** In the sequence over all stores. */
  readonly orderId: number;
  /** In the store's sequence. */
  readonly orderNumber: number;
}

/** Asks a running peer for single orders, over few connections, and knows which ones were answered. */
export interface OrderClient {
  /** Rejects if there was no answer: then the order may be stored. The same request again gets the same pair. */
  number(order: Order): Promise<Pair>;
  /** Orders without an answer reject. */
  close(): Promise<void>;
}

/** A peer that can be killed while a client watches. */
export interface NumberingPeer extends Peer {
  start(folder: string): Promise<RunningNumberingPeer>;
}

export interface RunningNumberingPeer extends RunningPeer {
  connect(): Promise<OrderClient>;
}
