import { checkStoreId } from '../../core/allocation.ts';
import type {
  VerifyLedgerRequest,
  VerifyLedgerResponse,
  WatchServerRequest,
  WatchServerResponse,
} from '../../wire/gen/orders/v1/orders.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { WatchedLedger } from '../../core/reading/watch.ts';
import { Watch } from '../../core/reading/watch.ts';
import { SERVER_WATCHES, VERIFICATIONS } from '../limits.ts';
import { allocationMethods } from './allocation-methods.ts';
import type { CallQueues } from './call-queues.ts';
import { callQueuesOf } from './call-queues.ts';
import { toServerMessage, toVerifyMessage } from './messages.ts';
import type { ServedMethod } from './served-method.ts';
import type { ServiceContext } from './service-context.ts';
import { serverStream } from './server-stream.ts';
import { storeMethods } from './store-methods.ts';

/** All methods of orders.v1.OrderNumberService. */
export function orderNumberService(context: ServiceContext): Record<string, ServedMethod> {
  const { ledger, logger, serverWatch, stopping, closing } = context;
  const queues = callQueuesOf(ledger);
  async function* verifyLedger({ storeId }: VerifyLedgerRequest, signal: AbortSignal) {
    if (storeId !== undefined) checkStoreId(storeId);
    for await (const event of ledger.reads.verify(storeId)) {
      if (signal.aborted) return;
      yield toVerifyMessage(event);
    }
  }
  async function* watchServer(_: WatchServerRequest, signal: AbortSignal) {
    for await (const figures of serverWatch.watch(signal)) yield toServerMessage(figures);
  }
  return {
    ...allocationMethods(context, queues, new Watch(queuedHistory(ledger, queues))),
    ...storeMethods(ledger, queues, logger),
    verifyLedger: serverStream<VerifyLedgerRequest, VerifyLedgerResponse>(
      {
        name: 'VerifyLedger',
        verb: 'verify',
        streams: VERIFICATIONS,
        handle: verifyLedger,
        storeOf: ({ storeId }) => storeId,
        describe: ({ storeId }) => (storeId === undefined ? {} : { store_id: String(storeId) }),
      },
      stopping,
    ),
    watchServer: serverStream<WatchServerRequest, WatchServerResponse>(
      {
        name: 'WatchServer',
        verb: 'read',
        streams: SERVER_WATCHES,
        handle: watchServer,
        storeOf: () => undefined,
        withoutStore: 'what a server does is shown to callers with access to all stores',
        describe: () => ({}),
      },
      closing,
    ),
  };
}

/** Pages of history wait for each other, so that many starting watches do not keep lookups waiting. */
function queuedHistory(ledger: Ledger, { history }: CallQueues): WatchedLedger {
  const { reads } = ledger;
  return {
    onCommitted: (listener) => ledger.onCommitted(listener),
    reads: {
      end: () => reads.end(),
      // The page is short, so its watch checks only afterwards whether it was cancelled.
      listAllocations: (range) =>
        history.run('page', { signal: { aborted: false }, origin: '' }, () => reads.listAllocations(range)),
    },
  };
}
