import type { handleServerStreamingCall, ServerWritableStream } from '@grpc/grpc-js';
import { draining } from '../../core/refusals.ts';
import type { Call, CalledMethod } from '../calls.ts';
import { CallDoor, requireStore } from '../calls.ts';
import { goneSignal, send } from './limits/sending.ts';
import type { Principal } from '../security/principal.ts';
import type { ServiceContext } from './service-context.ts';
import { GRPC } from './service-context.ts';
import { toStatus } from './status.ts';
import { StreamLimit } from './limits/stream-limit.ts';

/** How one server-streaming method answers. May throw or reject with anything. */
export interface StreamMethod<Request, Response> extends CalledMethod {
  /** Streams of this method at the same time, at most. */
  readonly maxStreams: number;
  /** Ends when it has sent everything, or soon after `signal` aborted. */
  handle(request: Request, signal: AbortSignal): AsyncIterable<Response>;
  /** The store that the request concerns, undefined if it concerns all of them. */
  storeOf(request: Request): bigint | undefined;
  /** The fields of the request that are logged. */
  describe(request: Request): Record<string, string>;
}

/**
 * Turns a method into a grpc-js handler. Messages are sent as fast as the client reads them and no faster: at
 * most one waits. Every error becomes a status, and none escapes; a server that is stopping ends the stream
 * with DRAINING.
 */
export function serverStream<Request, Response>(
  method: StreamMethod<Request, Response>,
  context: ServiceContext,
): handleServerStreamingCall<Request, Response> {
  const { stopping } = context;
  const door = new CallDoor(GRPC, method, context);
  const streams = new StreamLimit(method.name, { inAll: method.maxStreams });
  const admit = (request: Request, call: Call<unknown>): Principal => {
    const principal = call.admit();
    requireStore(principal, method.storeOf(request));
    return principal;
  };
  const run = async (
    rpc: ServerWritableStream<Request, Response>,
    call: Call<unknown>,
    gone: AbortSignal,
  ): Promise<void> => {
    const { ended } = admit(rpc.request, call);
    const ends = ended ? [gone, stopping, ended] : [gone, stopping];
    const leave = streams.enter(rpc.getPeer());
    try {
      for await (const message of method.handle(rpc.request, AbortSignal.any(ends))) {
        if (gone.aborted) return;
        await send(rpc, message, gone);
      }
    } finally {
      leave();
    }
    if (gone.aborted) return;
    ended?.throwIfAborted();
    if (stopping.aborted) throw draining();
  };
  const stream = async (rpc: ServerWritableStream<Request, Response>, call: Call<unknown>): Promise<void> => {
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
  return (rpc) => {
    const call = door.begin(rpc);
    stream(rpc, call).catch((error: unknown) => call.failed(error, 'a stream could not be ended'));
  };
}
