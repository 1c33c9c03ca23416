import type { Socket } from 'node:net';
import type { CallSignal } from '../../core/calls/caller.ts';
import { OrderError } from '../../core/errors.ts';

/** How long a call that still waits in the queue after its time may take to leave it. */
const LEAVE_MS = 300;
/** How often the waiting calls are looked at. */
const LOOK_MS = 50;

/** A call that waits for its answer. */
export interface WaitingCall {
  readonly signal: ConnectionSignal;
  /** Answers it, although its batch may be on its way. */
  giveUp(): void;
}

/**
 * Bounds how long calls wait: soon after the limit a call leaves the queue with CANCELLED, and soon after that, if its
 * batch is on its way, it is given up. One timer serves all calls.
 */
export class WaitLimit {
  readonly #ms: number;
  /** In no order; each signal knows its place, so that a call leaves at once. */
  readonly #waiting: WaitingCall[] = [];
  #isLooking = false;

  constructor(ms: number) {
    this.#ms = ms;
  }

  enter(call: WaitingCall): void {
    call.signal.since = performance.now();
    call.signal.place = this.#waiting.push(call) - 1;
    if (!this.#isLooking) this.#lookLater();
  }

  /** Called when there is an answer. Returns false if the call was given up: it has one. */
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

  /** The refusal of a call, or of a request of it: one that was cancelled because of this limit says so. */
  explain(error: OrderError, { isLate }: ConnectionSignal, key = 'Idempotency-Key'): OrderError {
    if (!isLate || error.reason !== 'CANCELLED') return error;
    const message = `no number within ${this.#ms / 1000} s; retry with the same ${key}`;
    return new OrderError('CANCELLED', message, { fields: error.fields });
  }

  #lookLater(): void {
    this.#isLooking = true;
    setTimeout(() => {
      this.#endLate(performance.now());
      this.#isLooking = false;
      if (this.#waiting.length > 0) this.#lookLater();
    }, LOOK_MS).unref();
  }

  #endLate(now: number): void {
    const late = this.#waiting.filter(({ signal }) => now - signal.since >= this.#ms);
    for (const call of late) {
      call.signal.isLate = true;
      if (now - call.signal.since >= this.#ms + LEAVE_MS && this.leave(call)) call.giveUp();
    }
  }
}

/** The caller is gone once its connection is closed, or closing. Polled, so no call needs a listener. */
export class ConnectionSignal implements CallSignal {
  readonly #socket: Socket;
  /** The caller has waited long enough. */
  isLate = false;
  /** When it began to wait. */
  since = 0;
  /** Its index among those that wait, or -1. */
  place = -1;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get aborted(): boolean {
    return this.isLate || !this.#socket.writable;
  }
}
