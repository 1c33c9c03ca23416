import { status } from '@grpc/grpc-js';
import type { OrdersClient } from '../../support/clients/orders-client.ts';
import { isServiceError } from '../../support/clients/orders-client.ts';
import type { History } from '../history/history.ts';
import { pairOfWire } from '../history/pair.ts';

/** The store of every call in this lab. */
export const STORE = 7n;

/** One order, one attempt, which the history has; resolves to its status. */
export async function attempt(
  client: OrdersClient,
  history: History,
  requestId: string,
  deadlineMs?: number,
): Promise<status> {
  const call = history.begin('a client', { storeId: STORE, requestId, count: 1 });
  try {
    const options = deadlineMs === undefined ? {} : { deadlineMs };
    const { allocation, replayed } = await client.allocateOrder({ storeId: STORE, requestId }, options);
    history.answered(call, pairOfWire(allocation!), replayed);
    return status.OK;
  } catch (error) {
    history.failed(call, error);
    if (!isServiceError(error)) throw error;
    return error.code;
  }
}
