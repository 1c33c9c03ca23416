import { settledWithin } from '../../settled-within.ts';
import { NoAnswer } from './failures.ts';

/** The promise, or a rejection with {@link NoAnswer} after `ms`. */
export async function within<Value>(ms: number, promise: Promise<Value>, what: string): Promise<Value> {
  if (await settledWithin(ms, promise)) return promise;
  // Nobody else hears of what becomes of it.
  promise.catch(() => {});
  throw new NoAnswer(`${what} took longer than ${Math.max(0, Math.round(ms))} ms`);
}
