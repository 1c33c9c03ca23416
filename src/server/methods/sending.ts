import { OrderError } from '../../core/errors.ts';
import { MAX_STALL_MS } from '../limits.ts';

/**
 * Resolves when a message is on its way, or nobody is left to read it; rejects when neither happens for too long.
 * `write` sends it, and calls `taken` once it has left.
 */
export async function send(write: (taken: () => void) => void, gone: AbortSignal): Promise<void> {
  const isSettled = await new Promise<boolean>((resolve) => {
    const settle = (taken: boolean) => {
      clearTimeout(timer);
      gone.removeEventListener('abort', onGone);
      resolve(taken);
    };
    const onGone = () => settle(true);
    const timer = setTimeout(settle, MAX_STALL_MS, false);
    gone.addEventListener('abort', onGone);
    write(() => settle(true));
  });
  if (!isSettled) throw new OrderError('CANCELLED', `the client read nothing for ${MAX_STALL_MS / 1000} s`);
}
