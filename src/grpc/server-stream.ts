import type { handleServerStreamingCall, ServerWritableStream } from '@grpc/grpc-js';
import { logRefusal, logStreamEnd } from '../call-log.ts';
import { draining, OrderError, toOrderError } from '../errors.ts';
import type { Served } from './served.ts';
import { toStatus } from './status.ts';

/** A client that takes nothing for so long is given up: what is meant for it costs memory. */
const STALL_MS = 60_000;

/** How one server-streaming method answers. May throw or reject with anything. */
export interface StreamMethod<Request, Response> {
  readonly name: string;
  /** Streams of this method at the same time, at most. */
  readonly mostStreams: number;
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
  { logger, observer, stopping, state }: Served,
): handleServerStreamingCall<Request, Response> {
  let streams = 0;
  const run = async (call: ServerWritableStream<Request, Response>, gone: AbortSignal): Promise<void> => {
    if (streams >= method.mostStreams) {
      throw new OrderError('QUEUE_FULL', `${streams} calls of ${method.name} are running: ask again later`);
    }
    streams++;
    try {
      await send(call, method.handle(call.request, AbortSignal.any([gone, stopping])), gone);
    } finally {
      streams--;
    }
    if (stopping.aborted && !gone.aborted) throw draining();
  };
  return (call) => {
    const started = performance.now();
    const gone = new AbortController();
    for (const event of ['cancelled', 'close', 'error']) call.once(event, () => gone.abort());
    const finish = (error?: OrderError) => {
      const ms = performance.now() - started;
      observer.ended('grpc', method.name, error?.reason ?? (gone.signal.aborted ? 'CANCELLED' : 'OK'), ms);
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
    run(call, gone.signal)
      .then(() => finish())
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
    if (!(await isTaken(call, message, gone))) {
      throw new OrderError('CANCELLED', `the client took nothing for ${STALL_MS / 1000} s`);
    }
  }
}

/** Resolves when the message is on its way, or the call is gone; to false when neither happens for too long. */
function isTaken<Request, Response>(
  call: ServerWritableStream<Request, Response>,
  message: Response,
  gone: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (taken: boolean) => {
      clearTimeout(timer);
      gone.removeEventListener('abort', onGone);
      resolve(taken);
    };
    const onGone = () => settle(true);
    const timer = setTimeout(settle, STALL_MS, false);
    gone.addEventListener('abort', onGone);
    call.write(message, () => settle(true));
  });
}
