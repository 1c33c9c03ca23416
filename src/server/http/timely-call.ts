import type { Socket } from 'node:net';
import type { Allocator } from '../../core/allocator.ts';
import type { Answer, BatchCall } from '../../core/calls/batch-call.ts';
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

/**
 * The answers of a batch, soon after `limitMs` at the latest: a request that was only queued is CANCELLED, and one whose
 * ledger batch is on its way OUTCOME_UNKNOWN.
 */
export async function answersInTime(
  batch: BatchCall,
  answers: Promise<readonly Answer[]>,
  signal: ConnectionSignal,
  limitMs: number,
): Promise<readonly Answer[]> {
  let timer = setTimeout(() => {
    signal.isLate = true;
    timer = setTimeout(() => batch.settleRest(outcomeUnknown), LEAVE_MS);
  }, limitMs);
  try {
    const settled = await answers;
    return signal.isLate ? settled.map((answer) => ofLate(answer, limitMs)) : settled;
  } finally {
    clearTimeout(timer);
  }
}

function ofLate(answer: Answer, limitMs: number): Answer {
  const wasLate = answer instanceof OrderError && answer.reason === 'CANCELLED';
  return wasLate ? tooLate(limitMs, answer, 'request_id') : answer;
}

function tooLate(limitMs: number, cancelled: OrderError, key = 'Idempotency-Key'): OrderError {
  const message = `no number within ${limitMs / 1000} s; retry with the same ${key}`;
  return new OrderError('CANCELLED', message, { fields: cancelled.fields });
}

/** The caller is gone once its connection is closed, or closing. Polled, so no call needs a listener. */
export class ConnectionSignal implements CallSignal {
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
