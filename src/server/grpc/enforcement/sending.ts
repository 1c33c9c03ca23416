import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';
import { OrderError } from '../../../core/errors.ts';
import { MAX_STALL_MS } from '../../limits.ts';

/** A call that sends several messages. */
type SendingCall<Request, Response> = ServerWritableStream<Request, Response> | ServerDuplexStream<Request, Response>;

/** Aborts when no client is left to read a message of this call. */
export function goneSignal<Request, Response>(call: SendingCall<Request, Response>): AbortSignal {
  const gone = new AbortController();
  for (const event of ['cancelled', 'close', 'error']) call.once(event, () => gone.abort());
  return gone.signal;
}

/** Resolves when the message is on its way, or the call is gone; rejects when neither happens for too long. */
export async function send<Request, Response>(
  call: SendingCall<Request, Response>,
  message: Response,
  gone: AbortSignal,
): Promise<void> {
  const isSettled = await new Promise<boolean>((resolve) => {
    const settle = (taken: boolean) => {
      clearTimeout(timer);
      gone.removeEventListener('abort', onGone);
      resolve(taken);
    };
    const onGone = () => settle(true);
    const timer = setTimeout(settle, MAX_STALL_MS, false);
    gone.addEventListener('abort', onGone);
    call.write(message, () => settle(true));
  });
  if (!isSettled) throw new OrderError('CANCELLED', `the client read nothing for ${MAX_STALL_MS / 1000} s`);
}
