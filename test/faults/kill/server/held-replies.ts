import { setImmediate as nextTurn } from 'node:timers/promises';
import { passes } from './points.ts';

/** Turns of the event loop until what was answered is in the socket. */
const TURNS = 20;

/** Replies that are due at the same time leave in two halves, with a point between them. */
export class HeldReplies {
  #held: (() => void)[] = [];

  /** Sends a reply in the next turn of the event loop, or, if it is in the second half of those that are due then, later. */
  send(reply: () => void): void {
    if (this.#held.push(reply) === 1) void this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    await nextTurn();
    const replies = this.#held;
    this.#held = [];
    const half = Math.ceil(replies.length / 2);
    for (const reply of replies.slice(0, half)) reply();
    if (replies.length < 2) return;
    for (let turn = 0; turn < TURNS; turn++) await nextTurn();
    passes('half the replies');
    for (const reply of replies.slice(half)) reply();
  }
}
