import type { WatchAllocationsRequest } from '../gen/orders/v1/orders.ts';
import { OrderNumberServiceService as service } from '../gen/orders/v1/orders.ts';
import type { WatchStep } from './api.ts';
import type { Connection } from './connection.ts';
import { failureFrom } from './failure.ts';
import { fromAllocation } from './messages.ts';
import type { Policy } from './retry.ts';
import { backoffMs, cancelled, gaveUp, mayChange } from './retry.ts';
import { pause, stoppedBy } from './stop.ts';

const WATCH: Policy = { mayRetry: mayChange, advice: undefined };

/** One watch over as many connections as it takes; each goes on where what was yielded ends. */
export async function* watch(
  connection: Connection,
  from: WatchAllocationsRequest,
  signal: AbortSignal | undefined,
  returned: AbortSignal,
): AsyncGenerator<WatchStep, void> {
  const asked = signal ? [signal, returned] : [returned];
  const signals = [connection.closed, ...asked];
  let { afterOrderId } = from;
  for (let attempts = 1; ; attempts++) {
    let waitMs = backoffMs(attempts, undefined);
    try {
      for await (const { allocations, cursor } of connection.stream(
        service.watchAllocations,
        { ...from, afterOrderId },
        signals,
      )) {
        attempts = 0;
        afterOrderId = cursor;
        yield { allocations: allocations.map(fromAllocation), cursor };
      }
    } catch (error) {
      const failure = failureFrom(error);
      if (!WATCH.mayRetry(failure)) throw gaveUp(WATCH, failure, attempts, false);
      waitMs = backoffMs(attempts, failure);
    }
    await pause(waitMs, signals);
    if (stoppedBy(asked)) return;
    if (stoppedBy(signals)) throw cancelled(WATCH, signals, false);
  }
}
