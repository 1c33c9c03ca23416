import type { Socket } from 'node:net';
import type { CallSignal } from '../../core/calls/caller.ts';
import { OrderError } from '../../core/errors.ts';

/** How long a call may take to leave the queue once its time is up. */
const LEAVE_MS = 300;
/** How often waiting calls are checked. */
const CHECK_MS = 50;

/** A call that waits for its answer. */
export interface WaitingCall {
  readonly signal: ConnectionSignal;
  /** Answers it although its batch may be in flight. */
  giveUp(): void;
}

/**
 * Bounds how long calls wait. Soon after the limit a call that is still queued ends with CANCELLED; one whose batch is in
 * flight is given up a little later. One timer serves all calls.
 */
export class WaitLimit {
  readonly #ms: number;
  /** In no order. Each signal has its index, so that no search is needed to remove a call. */
  readonly #waiting: WaitingCall[] = [];
  #isTimerSet = false;

  constructor(ms: number) {
    this.#ms = ms;
  }

  enter(call: WaitingCall): void {
    call.signal.since = performance.now();
    call.signal.place = this.#waiting.push(call) - 1;
    if (!this.#isTimerSet) this.#checkLater();
  }

  /** Called when there is an answer. Returns false if the call was given up, and so has one. */
  leave({ signal }: WaitingCall): boolean {
    const { place } = signal;
    if (place === -1) return false;
    signal.place = -1;
    const last = this.#waiting.pop()!;
    if (place === this.#waiting.length) return true;
    this.#waiting[place] = last;
    last.signal.place = place;
    return true;
  }

  /** The refusal to send for a call or one of its requests: if this limit cancelled it, the message says so. */
  explain(error: OrderError, { isLate }: ConnectionSignal, key = 'Idempotency-Key'): OrderError {
    if (!isLate || error.reason !== 'CANCELLED') return error;
    const message = `no number within ${this.#ms / 1000} s; retry with the same ${key}`;
    return new OrderError('CANCELLED', message, { fields: error.fields });
  }

  #checkLater(): void {
    this.#isTimerSet = true;
    setTimeout(() => {
      this.#endLate(performance.now());
      this.#isTimerSet = false;
      if (this.#waiting.length > 0) this.#checkLater();
    }, CHECK_MS).unref();
  }

  #endLate(now: number): void {
    const late = this.#waiting.filter(({ signal }) => now - signal.since >= this.#ms);
    for (const call of late) {
      call.signal.isLate = true;
      if (now - call.signal.since >= this.#ms + LEAVE_MS && this.leave(call)) call.giveUp();
    }
  }
}

/** Aborted once the connection closes, or the call is late. Polled, so that no call needs a listener. */
export class ConnectionSignal implements CallSignal {
  readonly #socket: Socket;
  /** Whether the limit has passed. */
  isLate = false;
  /** When the call began to wait, by performance.now(). */
  since = 0;
  /** Its index among the waiting calls, or -1. */
  place = -1;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get aborted(): boolean {
    return this.isLate || !this.#socket.writable;
  }
}
