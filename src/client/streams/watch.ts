import type { WatchAllocationsRequest } from '../../wire/gen/orders/v1/orders.ts';
import { OrderNumberServiceService as service } from '../../wire/gen/orders/v1/orders.ts';
import type { WatchOptions, WatchStep } from '../api.ts';
import type { Connection } from '../connection/connection.ts';
import type { Failure } from '../failure.ts';
import { failureFrom } from '../failure.ts';
import { fromAllocation, fromServerStatus } from '../messages.ts';
import { backoffMs, cancelled, gaveUp, isLasting, withDiagnosis } from '../retry.ts';
import { READ } from '../policy.ts';
import { pause, stoppedBy } from '../stop.ts';
import type { ServerStatus } from './server-status.ts';

/** An attempt that has no connection after this time counts as failed. */
const CONNECT_MS = 1_000;

/** A stream that ended without an error, as when a server stops. */
const ENDED: Failure = {
  code: 'UNAVAILABLE',
  message: 'the server ended the stream',
  problem: undefined,
  wasSent: true,
  isUnconnected: false,
  reason: undefined,
  metadata: {},
  isDefinite: false,
  retryDelayMs: undefined,
  cause: undefined,
};

/** One watch over as many connections as it takes; each continues after what was yielded. */
export function watchAllocations(
  connection: Connection,
  from: WatchAllocationsRequest,
  options: WatchOptions,
  returned: AbortSignal,
): AsyncGenerator<WatchStep, void> {
  let { afterOrderId } = from;
  return watch(
    connection,
    async function* (signals) {
      const request = { ...from, afterOrderId };
      for await (const step of connection.stream(service.watchAllocations, request, signals, CONNECT_MS)) {
        const { allocations, cursor } = step;
        afterOrderId = cursor;
        yield { allocations: allocations.map(fromAllocation), cursor };
      }
    },
    options,
    returned,
  );
}

/** The same for the status of a server. */
export function watchServer(
  connection: Connection,
  options: WatchOptions,
  returned: AbortSignal,
): AsyncGenerator<ServerStatus, void> {
  return watch(
    connection,
    async function* (signals) {
      const steps = connection.stream(service.watchServer, {}, signals, CONNECT_MS);
      for await (const step of steps) yield fromServerStatus(step);
    },
    options,
    returned,
  );
}

/** `open` begins one attempt; what its steps throw decides whether there is another one. */
async function* watch<Step>(
  connection: Connection,
  open: (signals: readonly AbortSignal[]) => AsyncIterable<Step>,
  { signal, onInterrupted }: WatchOptions,
  returned: AbortSignal,
): AsyncGenerator<Step, void> {
  const asked = signal ? [signal, returned] : [returned];
  const signals = [connection.closed, ...asked];
  // Whether the last attempt was sent: a series of attempts without a connection is diagnosed once.
  let wasSent = true;
  for (let attempts = 1; ; attempts++) {
    let failure: Failure = ENDED;
    try {
      for await (const step of open(signals)) {
        attempts = 1;
        yield step;
      }
    } catch (error) {
      failure = failureFrom(error);
      if (!READ.mayRetry(failure)) throw gaveUp(READ, failure, attempts, false);
    }
    const isFirstMiss = !failure.wasSent && wasSent;
    ({ wasSent } = failure);
    if (isFirstMiss) failure = await withDiagnosis(failure, connection);
    if (!stoppedBy(signals)) {
      if (isLasting(failure, connection)) throw gaveUp(READ, failure, attempts, false);
      onInterrupted?.(gaveUp(READ, failure, attempts, false));
    }
    await pause(backoffMs(attempts, failure), signals);
    if (stoppedBy(asked)) return;
    if (stoppedBy(signals)) throw cancelled(READ, signals, false);
  }
}
