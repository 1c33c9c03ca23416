import type { Peer, RunningPeer } from '../peer.ts';

/** One order as its caller asks for it. */
export interface Order {
  readonly storeId: number;
  /** The same for all retries of an order. */
  readonly requestId: string;
}

/** The answer to an order. */
export interface Pair {
  /** In the sequence over all stores. */
  readonly orderId: number;
  /** In the store's sequence. */
  readonly orderNumber: number;
}

/** Asks a running peer for single orders, over few connections. */
export interface OrderClient {
  /** Rejects if there is no answer: the order may be stored nevertheless. A retry gets the same pair. */
  number(order: Order): Promise<Pair>;
  /** Rejects the orders that have no answer yet. */
  close(): Promise<void>;
}

/** A peer whose answers to single orders can be compared before and after a kill. */
export interface NumberingPeer extends Peer {
  start(folder: string): Promise<RunningNumberingPeer>;
}

export interface RunningNumberingPeer extends RunningPeer {
  connect(): Promise<OrderClient>;
}
