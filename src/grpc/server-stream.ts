import { once } from 'node:events';
import type { handleServerStreamingCall, ServerWritableStream } from '@grpc/grpc-js';
import { logRefusal } from '../call-log.ts';
import { OrderError, toOrderError } from '../errors.ts';
import type { Served } from './served.ts';
import { toStatus } from './status.ts';

/** How one server-streaming method answers. May throw or reject with anything. */
export interface StreamMethod<Request, Response> {
  readonly name: string;
  /** Ends when it has said everything, or soon after `signal` aborted. */
  handle(request: Request, signal: AbortSignal): AsyncIterable<Response>;
  /** What of the request goes into the log. */
  describe(request: Request): Record<string, string>;
}

/**
 * Makes a grpc-js handler of a method. Messages leave as fast as the client takes them and no faster. Every
 * error becomes a status, and none escapes; a server that is stopping ends the stream with DRAINING.
 */
export function serverStream<Request, Response>(
  method: StreamMethod<Request, Response>,
  { logger, observer, stopping }: Served,
): handleServerStreamingCall<Request, Response> {
  return (call) => {
    const started = performance.now();
    const gone = new AbortController();
    for (const event of ['cancelled', 'close', 'error']) call.once(event, () => gone.abort());
    const finish = (error?: OrderError) => {
      const ms = performance.now() - started;
      observer.ended('grpc', method.name, error?.reason ?? (gone.signal.aborted ? 'CANCELLED' : 'OK'), ms);
      if (!error) {
        call.end();
        return;
      }
      // A question can always be asked again.
      call.emit('error', toStatus(error, true));
      logRefusal(logger, { method: method.name, fields: method.describe(call.request), ms }, error);
    };
    send(call, method.handle(call.request, AbortSignal.any([gone.signal, stopping])), gone.signal)
      .then(() => finish(stopping.aborted && !gone.signal.aborted ? draining() : undefined))
      .catch((thrown: unknown) => finish(gone.signal.aborted ? undefined : toOrderError(thrown, false)))
      .catch((error: unknown) => logger.error({ method: method.name, err: error }, 'a stream could not be ended'));
  };
}

async function send<Request, Response>(
  call: ServerWritableStream<Request, Response>,
  messages: AsyncIterable<Response>,
  gone: AbortSignal,
): Promise<void> {
  for await (const message of messages) {
    if (gone.aborted) return;
    if (!call.write(message)) await once(call, 'drain', { signal: gone });
  }
}

function draining(): OrderError {
  return new OrderError('DRAINING', 'the server is shutting down: ask again, another or the next one will answer');
}
