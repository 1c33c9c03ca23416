import type { handleServerStreamingCall, ServerWritableStream } from '@grpc/grpc-js';
import { draining } from '../../core/refusals.ts';
import type { CalledMethod } from '../calls.ts';
import { requireStore } from '../security/principal.ts';
import type { EnteredCall, GuardedMethod } from './entrance.ts';
import { enteredBy } from './entrance.ts';
import { goneSignal, send } from './enforcement/sending.ts';
import type { StreamBounds } from './enforcement/stream-limit.ts';
import { StreamLimit } from './enforcement/stream-limit.ts';
import { toStatus } from './status.ts';

/** How one server-streaming method answers. May throw or reject with anything. */
export interface StreamMethod<Request, Response> extends CalledMethod {
  /** Streams of this method at the same time, at most. */
  readonly streams: StreamBounds;
  /** Ends when it has sent everything, or soon after `signal` aborted. */
  handle(request: Request, signal: AbortSignal): AsyncIterable<Response>;
  /** The store of the request; undefined if it is for all stores. */
  storeOf(request: Request): bigint | undefined;
  /** The fields of the request that are logged. */
  describe(request: Request): Record<string, string>;
}

/**
 * Gives a method its grpc-js handler. Messages are sent as fast as the client reads them and no faster: at most one
 * waits. Every error becomes a status, and none escapes. The stream ends at once when the server begins to stop, with
 * DRAINING, and when the credentials of its caller end, with TOKEN_INVALID; nothing is sent after that.
 */
export function serverStream<Request, Response>(
  method: StreamMethod<Request, Response>,
  stopping: AbortSignal,
): GuardedMethod {
  const streams = new StreamLimit(method.name, method.streams);
  const run = async (
    rpc: ServerWritableStream<Request, Response>,
    { principal, origin }: EnteredCall,
    gone: AbortSignal,
  ): Promise<void> => {
    requireStore(principal, method.storeOf(rpc.request));
    const leave = streams.enter(origin);
    const { ended } = principal;
    const end = AbortSignal.any(ended ? [gone, stopping, ended] : [gone, stopping]);
    try {
      await sendAll(rpc, method.handle(rpc.request, end), end, leave);
    } catch (error) {
      // An error of a read that was being ended.
      if (!end.aborted) throw error;
    }
    if (gone.aborted) return;
    ended?.throwIfAborted();
    if (stopping.aborted) throw draining();
  };
  const stream = async (rpc: ServerWritableStream<Request, Response>, call: EnteredCall): Promise<void> => {
    const gone = goneSignal(rpc);
    try {
      await run(rpc, call, gone);
    } catch (thrown) {
      if (!gone.aborted) {
        const error = call.refusalOf(thrown);
        // A read can always be retried.
        rpc.emit('error', toStatus(error, true));
        call.refused(error, method.describe(rpc.request));
        return;
      }
    }
    const isGone = gone.aborted;
    rpc.end();
    call.streamed(isGone ? 'CANCELLED' : 'OK', method.describe(rpc.request));
  };
  const handle: handleServerStreamingCall<Request, Response> = (rpc) => {
    const call = enteredBy(rpc);
    stream(rpc, call).catch((error: unknown) => call.failed(error, 'a stream could not be ended'));
  };
  return { method, handle: handle as GuardedMethod['handle'] };
}

/** Resolves as soon as `end` aborts, even in the middle of a long read; `leave` is called when that is over. */
async function sendAll<Request, Response>(
  rpc: ServerWritableStream<Request, Response>,
  messages: AsyncIterable<Response>,
  end: AbortSignal,
  leave: () => void,
): Promise<void> {
  const iterator = messages[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await unlessAborted(iterator.next(), end);
      if (next === undefined || next.done) return;
      await send(rpc, next.value, end);
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
