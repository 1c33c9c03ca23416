import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Answers of this server grow by less than the bounds between two checks. */
const CHECK_MS = 100;

/** The bytes that the clients of one connection, and of all, may leave unread. */
export interface UnsentBounds {
  readonly perConnection: number;
  readonly inAll: number;
}

/**
 * Cuts connections whose clients ask for more than they read: an answer stays in memory until it is read, and a client
 * may send many requests before it reads the first answer.
 */
export class UnsentAnswers {
  readonly #bounds: UnsentBounds;
  readonly #open = new Set<ServerResponse>();
  #timer: NodeJS.Timeout | undefined;

  constructor(bounds: UnsentBounds) {
    this.#bounds = bounds;
  }

  /** Call it before anything is answered. */
  watch(answer: ServerResponse): void {
    this.#open.add(answer);
    answer.once('close', () => this.#forget(answer));
    this.#timer ??= setInterval(() => this.#check(), CHECK_MS).unref();
  }

  #forget(answer: ServerResponse): void {
    this.#open.delete(answer);
    if (this.#open.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    const unsent = new Map<Socket, number>();
    for (const answer of this.#open) {
      // An answer behind another one has no socket yet, and keeps its bytes itself.
      const { socket } = answer.req;
      const bytes = answer.writableLength - (answer.socket?.writableLength ?? 0);
      unsent.set(socket, (unsent.get(socket) ?? socket.writableLength) + bytes);
    }
    let inAll = [...unsent.values()].reduce((sum, bytes) => sum + bytes, 0);
    for (const [socket, bytes] of [...unsent].toSorted(([, one], [, other]) => other - one)) {
      if (bytes <= this.#bounds.perConnection && inAll <= this.#bounds.inAll) return;
      inAll -= bytes;
      socket.destroy();
    }
  }
}
