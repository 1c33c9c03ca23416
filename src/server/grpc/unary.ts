import type { handleUnaryCall, ServerUnaryCall } from '@grpc/grpc-js';
import type { CallSignal } from '../../core/allocator.ts';
import { logAnswer, logRefusal } from '../calls.ts';
import type { OrderError } from '../../core/errors.ts';
import { toOrderError } from '../../core/refusals.ts';
import type { ServiceContext } from './service-context.ts';
import { toStatus } from './status.ts';

/** How one unary method answers. May throw or reject with anything. */
export interface UnaryMethod<Request, Response> {
  readonly name: string;
  handle(request: Request, signal: CallSignal): Promise<Response>;
  /** What of the request goes into the log. */
  describe(request: Request): Record<string, string>;
  /** What of the response goes into the log. */
  describeResponse?(response: Response): Record<string, string>;
  /** Whether it writes: where something unforeseen happens, nobody knows whether it was done. */
  readonly writes?: boolean;
  /** Where in the request a field of an error is; at its top unless said. */
  pathOf?(field: string, request: Request): string;
  /** Whether the caller can ask again without risk, because it sent a key or asked a question only. */
  mayRetry(request: Request, error: OrderError): boolean;
}

/**
 * Makes a grpc-js handler of a method. Every error becomes a status, and none escapes: grpc-js ends the
 * process when an async handler throws. One log line for each call that failed or was slow.
 */
export function unary<Request, Response>(
  method: UnaryMethod<Request, Response>,
  { logger, observer, state }: Pick<ServiceContext, 'logger' | 'observer' | 'state'>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const started = performance.now();
    const msSoFar = () => performance.now() - started;
    const refuse = (thrown: unknown) => {
      const unexplained = toOrderError(thrown, method.writes ?? false);
      const error = state?.explain(unexplained) ?? unexplained;
      const pathOf = (field: string) => method.pathOf?.(field, call.request) ?? field;
      callback(toStatus(error, method.mayRetry(call.request, error), pathOf));
      observer.ended('grpc', method.name, error.reason, msSoFar());
      const fields = method.describe(call.request);
      logRefusal(logger, { method: method.name, fields, peer: call.getPeer(), ms: msSoFar() }, error);
    };
    const reply = async () => {
      let response: Response;
      try {
        response = await method.handle(call.request, new GrpcCallSignal(call));
      } catch (thrown) {
        return refuse(thrown);
      }
      callback(null, response);
      const ms = msSoFar();
      observer.ended('grpc', method.name, 'OK', ms);
      logAnswer(logger, ms, () => ({
        method: method.name,
        fields: { ...method.describe(call.request), ...method.describeResponse?.(response) },
        peer: call.getPeer(),
      }));
    };
    reply().catch((error: unknown) => logger.error({ method: method.name, err: error }, 'a reply could not be sent'));
  };
}

/** The caller is gone once the call is cancelled or its deadline has passed. Asked, not told: no timer. */
class GrpcCallSignal<Request, Response> implements CallSignal {
  readonly #call: ServerUnaryCall<Request, Response>;

  constructor(call: ServerUnaryCall<Request, Response>) {
    this.#call = call;
  }

  get aborted(): boolean {
    return this.#call.cancelled || Date.now() >= Number(this.#call.getDeadline());
  }
}
