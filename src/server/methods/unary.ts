import type { AllocationRequest } from '../../core/allocation.ts';
import type { Allocator } from '../../core/allocator.ts';
import type { Allocated, Caller, CallSignal } from '../../core/calls/caller.ts';
import type { OrderError } from '../../core/errors.ts';
import type { EndedBatch } from '../../core/observers.ts';
import type { CalledMethod } from '../calls.ts';
import { requireStore } from '../security/principal.ts';
import type { EnteredCall } from './entered-call.ts';

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
  /** Counts and logs a call that was answered, instead of the default for a call with one request. */
  record?(call: EnteredCall, response: Response): void;
  /** The path of an error's field in the request; the top of the request unless given. */
  pathOf?(field: string, request: Request): string;
  /** Whether the caller can retry without risk, because it sent a key or only reads. */
  mayRetry(request: Request, error: OrderError): boolean;
}

/** How one unary method answers. May throw or reject with anything. */
export interface UnaryMethod<Request, Response> extends AnsweredMethod<Request, Response> {
  handle(request: Request, signal: CallSignal, call: EnteredCall): Promise<Response>;
}

/** A method that allocates one run. */
export interface AllocatingMethod<Request, Response> extends AnsweredMethod<Request, Response> {
  /** What the request asks for; `caller` is the name of the principal. */
  ask(request: Request, caller: string): AllocationRequest;
  toResponse(answer: Allocated): Response;
}

/** A method with one answer, as its carriers have it. */
export interface ServedUnary {
  readonly method: AnsweredMethod<unknown, unknown>;
  readonly isStream: false;
  /** Answers a call, sooner or later. Never throws. */
  start(call: UnaryCall<unknown, unknown>): void;
}

/** Serves a method. Every error becomes a status, and none escapes. */
export function unary<Request, Response>(method: UnaryMethod<Request, Response>): ServedUnary {
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
  return served(method, (call: UnaryCall<Request, Response>) => void reply(call));
}

/**
 * As `unary`, without a promise per call: most calls are of these methods, and the garbage collector has to move all
 * that a waiting call holds. The call itself waits in the allocator.
 */
export function allocating<Request, Response>(
  allocator: Allocator,
  method: AllocatingMethod<Request, Response>,
): ServedUnary {
  return served(method, (call: UnaryCall<Request, Response>) => {
    try {
      call.requireStore();
      call.waitIn(allocator, method.ask(call.request, call.entered.principal.name), method.toResponse);
    } catch (thrown) {
      call.refuse(thrown);
    }
  });
}

function served<Request, Response>(
  method: AnsweredMethod<Request, Response>,
  start: (call: UnaryCall<Request, Response>) => void,
): ServedUnary {
  return { method: method as ServedUnary['method'], isStream: false, start: start as ServedUnary['start'] };
}

/** A refusal, and what its status says beside the error. */
export interface Refusal {
  readonly error: OrderError;
  /** Whether the caller may retry without risk. */
  readonly mayRetry: boolean;
  /** Where in the request a field of the error is. */
  pathOf(field: string): string;
  /** The path of what is wrong, if the error has no value of a field. */
  readonly where?: string;
}

/**
 * One call of a unary method, whichever carrier has brought it: the signal of its caller, what waits in the allocator,
 * and what answers it. One object is all of that, because each call has one.
 */
export abstract class UnaryCall<Request, Response> implements CallSignal, Caller {
  readonly entered: EnteredCall;
  readonly #method: AnsweredMethod<Request, Response>;
  #origin = '';
  /** Undefined unless the call waits in the allocator. */
  #toResponse: ((answer: Allocated) => Response) | undefined;

  constructor(method: AnsweredMethod<Request, Response>, entered: EnteredCall) {
    this.#method = method;
    this.entered = entered;
  }

  abstract get request(): Request;

  /** Whether the call is cancelled or its deadline has passed. Polled, so it needs no timer. */
  abstract get aborted(): boolean;

  /** May throw if the response cannot be encoded. */
  protected abstract send(response: Response): void;

  protected abstract sendRefusal(refusal: Refusal): void;

  get signal(): CallSignal {
    return this;
  }

  /** As it was when the call began to wait: the caller's credentials may end while it waits. */
  get origin(): string {
    return this.#origin;
  }

  /** Lets the call wait in the allocator for the answer. Throws an OrderError if that is refused. */
  waitIn(allocator: Allocator, asked: AllocationRequest, toResponse: (answer: Allocated) => Response): void {
    this.#origin = this.entered.origin;
    this.#toResponse = toResponse;
    allocator.enqueue(asked, this);
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
      this.send(response);
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
      this.sendRefusal({ error, mayRetry: method.mayRetry(request, error), pathOf });
      entered.refused(error, method.describe(request));
    } catch (error) {
      entered.failed(error, NOT_SENT);
    }
  }

  resolve(answer: Allocated, batch: EndedBatch): void {
    this.entered.numberedIn(batch);
    let response: Response;
    try {
      response = this.#toResponse!(answer);
    } catch (thrown) {
      return this.refuse(thrown);
    }
    this.answer(response);
  }

  reject(error: OrderError, batch?: EndedBatch): void {
    this.entered.numberedIn(batch);
    this.refuse(error);
  }
}
