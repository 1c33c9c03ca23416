import { settledWithin } from '../../../core/settled-within.ts';
import { NoAnswer } from './failures.ts';

/** The promise, or a rejection with {@link NoAnswer} that says `late` where it has not settled after `ms`. */
export async function within<Value>(ms: number, promise: Promise<Value>, late: string): Promise<Value> {
  if (await settledWithin(ms, promise)) return promise;
  // Nobody else hears of what becomes of it.
  promise.catch(() => {});
  throw new NoAnswer(late);
}
