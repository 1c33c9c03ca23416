import type { handleServerStreamingCall, ServerWritableStream } from '@grpc/grpc-js';
import { logRefusal, logStreamEnd } from '../calls.ts';
import type { OrderError } from '../../core/errors.ts';
import { draining, toOrderError } from '../../core/refusals.ts';
import { goneSignal, send } from './limits/sending.ts';
import type { ServiceContext } from './service-context.ts';
import { toStatus } from './status.ts';
import { StreamLimit } from './limits/stream-limit.ts';

/** How one server-streaming method answers. May throw or reject with anything. */
export interface StreamMethod<Request, Response> {
  readonly name: string;
  /** Streams of this method at the same time, at most. */
  readonly maxStreams: number;
  /** Ends when it has said everything, or soon after `signal` aborted. */
  handle(request: Request, signal: AbortSignal): AsyncIterable<Response>;
  /** What of the request goes into the log. */
  describe(request: Request): Record<string, string>;
}

/**
 * Makes a grpc-js handler of a method. Messages leave as fast as the client takes them and no faster: at most
 * one waits. Every error becomes a status, and none escapes; a server that is stopping ends the stream with
 * DRAINING.
 */
export function serverStream<Request, Response>(
  method: StreamMethod<Request, Response>,
  { logger, observer, stopping, state }: ServiceContext,
): handleServerStreamingCall<Request, Response> {
  const streams = new StreamLimit(method.name, { inAll: method.maxStreams });
  const run = async (call: ServerWritableStream<Request, Response>, gone: AbortSignal): Promise<void> => {
    const leave = streams.enter(call.getPeer());
    try {
      for await (const message of method.handle(call.request, AbortSignal.any([gone, stopping]))) {
        if (gone.aborted) return;
        await send(call, message, gone);
      }
    } finally {
      leave();
    }
    if (stopping.aborted && !gone.aborted) throw draining();
  };
  return (call) => {
    const started = performance.now();
    const gone = goneSignal(call);
    const finish = (error?: OrderError) => {
      const ms = performance.now() - started;
      observer.ended('grpc', method.name, error?.reason ?? (gone.aborted ? 'CANCELLED' : 'OK'), ms);
      const logged = { method: method.name, fields: method.describe(call.request), peer: call.getPeer() };
      if (!error) {
        call.end();
        logStreamEnd(logger, { ...logged, ms });
        return;
      }
      // A question can always be asked again.
      call.emit('error', toStatus(state?.explain(error) ?? error, true));
      logRefusal(logger, { ...logged, ms }, error);
    };
    run(call, gone)
      .then(() => finish())
      .catch((thrown: unknown) => finish(gone.aborted ? undefined : toOrderError(thrown, false)))
      .catch((error: unknown) => logger.error({ method: method.name, err: error }, 'a stream could not be ended'));
  };
}
