import type { handleUnaryCall, sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import type { CallSignal } from '../../core/calls/caller.ts';
import type { OrderError } from '../../core/errors.ts';
import type { CalledMethod } from '../calls.ts';
import { requireStore } from '../security/principal.ts';
import type { EnteredCall, GuardedMethod } from './entrance.ts';
import { enteredBy } from './entrance.ts';
import { toStatus } from './status.ts';

/** How one unary method answers. May throw or reject with anything. */
export interface UnaryMethod<Request, Response> extends CalledMethod {
  handle(request: Request, signal: CallSignal, call: EnteredCall): Promise<Response>;
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

/**
 * Gives a method its grpc-js handler. Every error becomes a status, and none escapes: grpc-js ends the process when an
 * async handler throws.
 */
export function unary<Request, Response>(method: UnaryMethod<Request, Response>): GuardedMethod {
  const reply: Reply<Request, Response> = async (rpc, callback, call) => {
    const { request } = rpc;
    let response: Response;
    try {
      const { principal } = call;
      if (method.storeOf !== 'checked by the method')
        requireStore(principal, method.storeOf(request), method.withoutStore);
      response = await method.handle(request, new GrpcCallSignal(rpc), call);
    } catch (thrown) {
      const error = call.refusalOf(thrown);
      const pathOf = (field: string) => method.pathOf?.(field, request) ?? field;
      callback(toStatus(error, method.mayRetry(request, error), pathOf));
      call.refused(error, method.describe(request));
      return;
    }
    callback(null, response);
    if (method.record) method.record(call, response);
    else call.answered(() => ({ ...method.describe(request), ...method.describeResponse?.(response) }));
  };
  const handle: handleUnaryCall<Request, Response> = (rpc, callback) => {
    const call = enteredBy(rpc);
    reply(rpc, callback, call).catch((error: unknown) => call.failed(error, 'a reply could not be sent'));
  };
  return { method, handle: handle as GuardedMethod['handle'] };
}

type Reply<Request, Response> = (
  rpc: ServerUnaryCall<Request, Response>,
  callback: sendUnaryData<Response>,
  call: EnteredCall,
) => Promise<void>;

/** The caller is gone once the call is cancelled or its deadline has passed. Polled, so it needs no timer. */
class GrpcCallSignal<Request, Response> implements CallSignal {
  readonly #call: ServerUnaryCall<Request, Response>;
  readonly #deadlineMs: number;

  constructor(call: ServerUnaryCall<Request, Response>) {
    this.#call = call;
    this.#deadlineMs = Number(call.getDeadline());
  }

  get aborted(): boolean {
    return this.#call.cancelled || Date.now() >= this.#deadlineMs;
  }
}
