import type { handleUnaryCall, sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import type { AllocationRequest } from '../../core/allocation.ts';
import type { Allocator } from '../../core/allocator.ts';
import type { Allocated, Caller, CallSignal } from '../../core/calls/caller.ts';
import type { OrderError } from '../../core/errors.ts';
import type { AllocateOrdersResponse } from '../../wire/gen/orders/v1/orders.ts';
import type { CalledMethod } from '../calls.ts';
import { requireStore } from '../security/principal.ts';
import type { EnteredCall, GuardedMethod } from './entrance.ts';
import { enteredBy } from './entrance.ts';
import { toResponse } from './messages.ts';
import { toStatus } from './status.ts';

const NOT_SENT = 'a reply could not be sent';

/** What is done with the answers of a unary method. */
export interface AnsweredMethod<Request, Response> extends CalledMethod {
  /**
   * The store of the request, undefined if it is for all stores; or that the method checks the stores of the principal
   * itself.
   */
  readonly storeOf: ((request: Request) => bigint | undefined) | 'checked by the method';
  /** The remedy for a caller with access to some stores only; if absent, to name one of them. */
  readonly withoutStore?: string;
  /** The fields of the request that are logged. */
  describe(request: Request): Record<string, string>;
  /** The fields of the response that are logged. */
  describeResponse?(response: Response): Record<string, string>;
  /** Counts and logs a call that was answered, in the place of what is done for one with one request. */
  record?(call: EnteredCall, response: Response): void;
  /** The path of an error's field in the request; at its top unless given. */
  pathOf?(field: string, request: Request): string;
  /** Whether the caller can retry without risk, because it sent a key or only reads. */
  mayRetry(request: Request, error: OrderError): boolean;
}

/** How one unary method answers. May throw or reject with anything. */
export interface UnaryMethod<Request, Response> extends AnsweredMethod<Request, Response> {
  handle(request: Request, signal: CallSignal, call: EnteredCall): Promise<Response>;
}

/**
 * Gives a method its grpc-js handler. Every error becomes a status, and none escapes: grpc-js ends the process when an
 * async handler throws.
 */
export function unary<Request, Response>(method: UnaryMethod<Request, Response>): GuardedMethod {
  const reply = async (call: UnaryCall<Request, Response>): Promise<void> => {
    let response: Response;
    try {
      call.requireStore();
      response = await method.handle(call.request, call, call.entered);
    } catch (thrown) {
      return call.refuse(thrown);
    }
    call.answer(response);
  };
  const handle: handleUnaryCall<Request, Response> = (rpc, callback) =>
    void reply(new UnaryCall(method, rpc, callback));
  return { method, handle: handle as GuardedMethod['handle'] };
}

/**
 * One call of a unary method: the signal of its caller, and what answers it. One object is all of that, because each
 * call has one.
 */
export class UnaryCall<Request, Response> implements CallSignal {
  readonly entered: EnteredCall;
  readonly #method: AnsweredMethod<Request, Response>;
  readonly #rpc: ServerUnaryCall<Request, Response>;
  readonly #callback: sendUnaryData<Response>;
  readonly #deadlineMs: number;

  constructor(
    method: AnsweredMethod<Request, Response>,
    rpc: ServerUnaryCall<Request, Response>,
    callback: sendUnaryData<Response>,
  ) {
    this.entered = enteredBy(rpc);
    this.#method = method;
    this.#rpc = rpc;
    this.#callback = callback;
    this.#deadlineMs = Number(rpc.getDeadline());
  }

  get request(): Request {
    return this.#rpc.request;
  }

  /** Whether the call is cancelled or its deadline has passed. Polled, so it needs no timer. */
  get aborted(): boolean {
    return this.#rpc.cancelled || Date.now() >= this.#deadlineMs;
  }

  /** Throws STORE_FORBIDDEN if the caller has no access to the store of its request. */
  requireStore(): void {
    const { storeOf, withoutStore } = this.#method;
    if (storeOf !== 'checked by the method') requireStore(this.entered.principal, storeOf(this.request), withoutStore);
  }

  /** Never throws. */
  answer(response: Response): void {
    const { entered } = this;
    const method = this.#method;
    try {
      this.#callback(null, response);
      if (method.record) method.record(entered, response);
      else entered.answered(() => ({ ...method.describe(this.request), ...method.describeResponse?.(response) }));
    } catch (error) {
      entered.failed(error, NOT_SENT);
    }
  }

  /** Turns whatever was thrown into a status. Never throws. */
  refuse(thrown: unknown): void {
    const { entered, request } = this;
    const method = this.#method;
    try {
      const error = entered.refusalOf(thrown);
      const pathOf = (field: string) => method.pathOf?.(field, request) ?? field;
      this.#callback(toStatus(error, method.mayRetry(request, error), pathOf));
      entered.refused(error, method.describe(request));
    } catch (error) {
      entered.failed(error, NOT_SENT);
    }
  }
}

/** A method that allocates one run. */
interface AllocatingMethod<Request> extends AnsweredMethod<Request, AllocateOrdersResponse> {
  /** What the request asks for; `caller` is the name of the principal. */
  ask(request: Request, caller: string): AllocationRequest;
}

/**
 * As `unary`, without a promise per call: most calls are of these methods, and what a waiting call holds, the garbage
 * collector moves.
 */
export function allocating<Request>(allocator: Allocator, method: AllocatingMethod<Request>): GuardedMethod {
  const handle: handleUnaryCall<Request, AllocateOrdersResponse> = (rpc, callback) => {
    const call = new AllocatingCall(method, rpc, callback);
    try {
      call.requireStore();
      const { principal, origin } = call.entered;
      call.origin = origin;
      allocator.enqueue(method.ask(call.request, principal.name), call);
    } catch (thrown) {
      call.refuse(thrown);
    }
  };
  return { method, handle: handle as GuardedMethod['handle'] };
}

/** A call that waits in the allocator itself. */
class AllocatingCall<Request> extends UnaryCall<Request, AllocateOrdersResponse> implements Caller {
  /** As it was when the call was queued: the caller's credentials may end while it waits. */
  origin = '';

  get signal(): CallSignal {
    return this;
  }

  resolve(answer: Allocated): void {
    let response: AllocateOrdersResponse;
    try {
      response = toResponse(answer);
    } catch (thrown) {
      return this.refuse(thrown);
    }
    this.answer(response);
  }

  reject(error: unknown): void {
    this.refuse(error);
  }
}
