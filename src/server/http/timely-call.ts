import type { Socket } from 'node:net';
import type { Allocator } from '../../core/allocator.ts';
import type { AllocateCall, Allocated, CallSignal } from '../../core/calls/caller.ts';
import { OrderError } from '../../core/errors.ts';
import { outcomeUnknown } from '../../core/refusals.ts';

/** How long a call that still waits in the queue after its time may take to leave it. */
const LEAVE_MS = 300;

/**
 * Allocates, and rejects soon after `limitMs` at the latest: with CANCELLED while the request was only queued, with
 * OUTCOME_UNKNOWN once its batch is on its way. A retry with the same key is right in both cases.
 */
export async function allocateInTime(
  allocator: Allocator,
  call: Omit<AllocateCall, 'signal'>,
  socket: Socket,
  limitMs: number,
): Promise<Allocated> {
  const signal = new ConnectionSignal(socket);
  const late = Promise.withResolvers<never>();
  const inFlight = () => late.reject(outcomeUnknown(call));
  let timer = setTimeout(() => {
    signal.isLate = true;
    timer = setTimeout(inFlight, LEAVE_MS);
  }, limitMs);
  try {
    return await Promise.race([allocator.allocate({ ...call, signal }), late.promise]);
  } catch (error) {
    const wasLate = signal.isLate && error instanceof OrderError && error.reason === 'CANCELLED';
    throw wasLate ? tooLate(limitMs, error) : error;
  } finally {
    clearTimeout(timer);
  }
}

function tooLate(limitMs: number, cancelled: OrderError): OrderError {
  const message = `no number within ${limitMs / 1000} s; retry with the same Idempotency-Key`;
  return new OrderError('CANCELLED', message, { fields: cancelled.fields });
}

/** The caller is gone once its connection is closed, or closing. Polled, so no call needs a listener. */
class ConnectionSignal implements CallSignal {
  readonly #socket: Socket;
  /** The caller has waited long enough. */
  isLate = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get aborted(): boolean {
    return this.isLate || !this.#socket.writable;
  }
}
