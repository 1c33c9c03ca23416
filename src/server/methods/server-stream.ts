import type { OrderError } from '../../core/errors.ts';
import { draining } from '../../core/refusals.ts';
import type { CalledMethod } from '../calls.ts';
import { requireStore } from '../security/principal.ts';
import type { EnteredCall } from './entered-call.ts';
import { send } from './sending.ts';
import type { StreamBounds } from './stream-limit.ts';
import { StreamLimit } from './stream-limit.ts';

/** How one server-streaming method answers. May throw or reject with anything. */
export interface StreamMethod<Request, Response> extends CalledMethod {
  /** Streams of this method at the same time, at most. */
  readonly streams: StreamBounds;
  /** Ends when it has sent everything, or soon after `signal` aborted. */
  handle(request: Request, signal: AbortSignal): AsyncIterable<Response>;
  /** The store of the request; undefined if it is for all stores. */
  storeOf(request: Request): bigint | undefined;
  /** The remedy for a caller with access to some stores only; if absent, to name one of them. */
  readonly withoutStore?: string;
  /** The fields of the request that are logged. */
  describe(request: Request): Record<string, string>;
}

/** One call of a streaming method, whichever carrier has brought it. It ends once, by `end` or `refuse`. */
export interface StreamCall<Request, Response> {
  readonly entered: EnteredCall;
  readonly request: Request;
  /** Aborts when no client is left to read a message. */
  readonly gone: AbortSignal;
  /** Calls `taken` when the message is on its way, which may be never. One at a time. */
  write(message: Response, taken: () => void): void;
  end(): void;
  refuse(error: OrderError): void;
}

/** A method with a stream of answers, as its carriers have it. */
export interface ServedStream {
  readonly method: CalledMethod;
  readonly isStream: true;
  /** Answers a call until it ends. Never throws. */
  start(call: StreamCall<unknown, unknown>): void;
}

/**
 * Serves a method. Messages are sent as fast as the client reads them and no faster: at most one waits. Every error
 * becomes a status, and none escapes. The stream ends at once when the server begins to stop, with DRAINING, and when
 * the credentials of its caller end, with TOKEN_INVALID; nothing is sent after that.
 */
export function serverStream<Request, Response>(
  method: StreamMethod<Request, Response>,
  stopping: AbortSignal,
): ServedStream {
  const streams = new StreamLimit(method.name, method.streams);
  const run = async (call: StreamCall<Request, Response>): Promise<void> => {
    const { request, gone, entered } = call;
    const { principal, origin } = entered;
    requireStore(principal, method.storeOf(request), method.withoutStore);
    const leave = streams.enter(origin);
    const { ended } = principal;
    const end = AbortSignal.any(ended ? [gone, stopping, ended] : [gone, stopping]);
    try {
      await sendAll(call, method.handle(request, end), end, leave);
    } catch (error) {
      // An error of a read that was being ended.
      if (!end.aborted) throw error;
    }
    if (gone.aborted) return;
    ended?.throwIfAborted();
    if (stopping.aborted) throw draining();
  };
  const stream = async (call: StreamCall<Request, Response>): Promise<void> => {
    const { request, gone, entered } = call;
    try {
      await run(call);
    } catch (thrown) {
      if (!gone.aborted) {
        const error = entered.refusalOf(thrown);
        call.refuse(error);
        entered.refused(error, method.describe(request));
        return;
      }
    }
    const isGone = gone.aborted;
    call.end();
    entered.streamed(isGone ? 'CANCELLED' : 'OK', method.describe(request));
  };
  const start = (call: StreamCall<Request, Response>) => {
    stream(call).catch((error: unknown) => call.entered.failed(error, 'a stream could not be ended'));
  };
  return { method, isStream: true, start: start as ServedStream['start'] };
}

/** Resolves as soon as `end` aborts, even in the middle of a long read; `leave` is called when that is over. */
async function sendAll<Request, Response>(
  call: StreamCall<Request, Response>,
  messages: AsyncIterable<Response>,
  end: AbortSignal,
  leave: () => void,
): Promise<void> {
  const iterator = messages[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await unlessAborted(iterator.next(), end);
      if (next === undefined || next.done) return;
      await send((taken) => call.write(next.value, taken), end);
    }
  } finally {
    Promise.resolve(iterator.return?.()).then(leave, leave);
  }
}

/** Settles as the promise does; resolves to undefined if the signal has aborted, or does so first. */
async function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value | undefined> {
  const aborted = Promise.withResolvers<undefined>();
  const abort = () => aborted.resolve(undefined);
  signal.addEventListener('abort', abort);
  try {
    const value = await Promise.race([promise, aborted.promise]);
    return signal.aborted ? undefined : value;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
