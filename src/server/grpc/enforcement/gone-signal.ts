import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';

/** A call that sends several messages. */
type SendingCall<Request, Response> = ServerWritableStream<Request, Response> | ServerDuplexStream<Request, Response>;

/** Aborts when no client is left to read a message of this call. */
export function goneSignal<Request, Response>(call: SendingCall<Request, Response>): AbortSignal {
  const gone = new AbortController();
  for (const event of ['cancelled', 'close', 'error']) call.once(event, () => gone.abort());
  return gone.signal;
}
