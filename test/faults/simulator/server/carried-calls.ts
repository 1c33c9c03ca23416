import type { OrderError } from '../../../../src/core/errors.ts';
import { statusOf, toStatus } from '../../../../src/server/grpc/status.ts';
import type { EnteredCall } from '../../../../src/server/methods/entered-call.ts';
import type { StreamCall } from '../../../../src/server/methods/server-stream.ts';
import type { AnsweredMethod, Refusal } from '../../../../src/server/methods/unary.ts';
import { UnaryCall } from '../../../../src/server/methods/unary.ts';
import type { ArrivedCall, WireStatus } from '../network/server-end.ts';

/** The end of a call, as its carrier sends it. */
export interface Carrier {
  message(response: unknown): void;
  end(status: WireStatus | undefined): void;
}

/** A unary call, carried as src/server/grpc/handlers.ts carries one. */
export class CarriedCall extends UnaryCall<unknown, unknown> implements ArrivedCall {
  readonly request: unknown;
  readonly #carrier: Carrier;
  readonly #deadlineMs: number;
  #isCancelled = false;

  constructor(
    method: AnsweredMethod<unknown, unknown>,
    entered: EnteredCall,
    request: unknown,
    deadlineMs: number,
    carrier: Carrier,
  ) {
    super(method, entered);
    this.request = request;
    this.#deadlineMs = deadlineMs;
    this.#carrier = carrier;
  }

  override get aborted(): boolean {
    return this.#isCancelled || Date.now() >= this.#deadlineMs;
  }

  cancel(): void {
    this.#isCancelled = true;
  }

  protected override send(response: unknown): void {
    this.#carrier.message(response);
  }

  protected override sendRefusal(refusal: Refusal): void {
    this.#carrier.end(statusOf(refusal));
  }
}

/** A stream, carried likewise. */
export class CarriedStream implements StreamCall<unknown, unknown>, ArrivedCall {
  readonly entered: EnteredCall;
  readonly request: unknown;
  readonly #carrier: Carrier;
  readonly #takenMs: number;
  readonly #gone = new AbortController();

  /** A message is on its way `takenMs` after it was written. */
  constructor(entered: EnteredCall, request: unknown, takenMs: number, carrier: Carrier) {
    this.entered = entered;
    this.request = request;
    this.#takenMs = takenMs;
    this.#carrier = carrier;
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  cancel(): void {
    this.#gone.abort();
  }

  write(message: unknown, taken: () => void): void {
    if (this.#gone.signal.aborted) return;
    this.#carrier.message(message);
    setTimeout(taken, this.#takenMs);
  }

  end(): void {
    this.#carrier.end(undefined);
  }

  refuse(error: OrderError): void {
    this.#carrier.end(toStatus(error, true));
  }
}
