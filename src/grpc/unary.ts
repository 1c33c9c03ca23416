import type { handleUnaryCall, ServerUnaryCall } from '@grpc/grpc-js';
import type { CallSignal } from '../allocator.ts';
import type { OrderError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { CallObserver } from '../observers.ts';
import { toOrderError, toStatus } from './status.ts';

/** A call that took longer than this is logged. */
const SLOW_CALL_MS = 1000;

/** How one unary method answers. May throw or reject with anything. */
export interface UnaryMethod<Request, Response> {
  readonly name: string;
  handle(request: Request, signal: CallSignal): Promise<Response>;
  /** What of the request goes into the log. */
  describe(request: Request): Record<string, string>;
  /** Whether the caller can ask again without risk, because it sent a key or asked a question only. */
  mayRetry(request: Request): boolean;
}

/**
 * Makes a grpc-js handler of a method. Every error becomes a status, and none escapes: grpc-js ends the
 * process when an async handler throws. One log line for each call that failed or was slow.
 */
export function unary<Request, Response>(
  method: UnaryMethod<Request, Response>,
  logger: Logger,
  observer: CallObserver,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const started = performance.now();
    const msSoFar = () => performance.now() - started;
    const refuse = (thrown: unknown) => {
      const error = toOrderError(thrown);
      callback(toStatus(error, method.mayRetry(call.request)));
      observer.ended('grpc', method.name, error.reason, msSoFar());
      const line = { ...describe(method, call.request, msSoFar()), ...cutFields(error), reason: error.reason };
      if (error.cause === undefined && error.reason !== 'INTERNAL') logger.info(line, error.message);
      else logger.error({ ...line, err: error.cause }, error.message);
    };
    const reply = async () => {
      let response: Response;
      try {
        response = await method.handle(call.request, new GrpcCallSignal(call));
      } catch (thrown) {
        return refuse(thrown);
      }
      callback(null, response);
      observer.ended('grpc', method.name, 'OK', msSoFar());
      if (msSoFar() >= SLOW_CALL_MS) logger.warn(describe(method, call.request, msSoFar()), 'slow call');
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

function describe<Request, Response>(method: UnaryMethod<Request, Response>, request: Request, ms: number) {
  return { method: method.name, ...method.describe(request), ms: Math.round(ms * 10) / 10 };
}

/** A caller's value may be as long as a message; the log has no use for more than its beginning. */
function cutFields({ fields }: OrderError): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value.slice(0, 128)]));
}
