import { status } from '@grpc/grpc-js';
import type { Rpc } from './rpc.ts';
import type { ServerEnd, WireStatus } from './server-end.ts';

/** A connection between one client and one server. */
export class SimulatedConnection {
  readonly server: ServerEnd;
  readonly rpcs = new Set<Rpc>();
  isOpen = true;
  /** The server has said that it takes no more calls here. */
  isLeaving = false;
  readonly #onLost: () => void;

  constructor(server: ServerEnd, onLost: () => void) {
    this.server = server;
    this.#onLost = onLost;
    server.connected(this);
  }

  /** Cuts it: its calls end without an answer, on both sides. */
  reset(): void {
    this.#close({ code: status.UNAVAILABLE, details: 'Connection dropped', metadata: undefined as never });
  }

  /** Its owner closes it. */
  close(): void {
    this.#close({ code: status.CANCELLED, details: 'Channel closed', metadata: undefined as never });
  }

  #close(why: WireStatus): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.server.disconnected(this);
    for (const rpc of this.rpcs) rpc.lost(why);
    this.rpcs.clear();
    this.#onLost();
  }
}
