import { setTimeout as delay } from 'node:timers/promises';
import type { OrderNumbersClient } from 'order-number-generator-client';
import type { Pool } from 'pg';

const MAX_ORDERS = 500;
const IDLE_MS = 1_000;

/** Numbers orders until `signal` is aborted. Any number of workers may run. */
export async function work(db: Pool, orderNumbers: OrderNumbersClient, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const numbered = await numberOrders(db, orderNumbers);
    if (numbered === 0) await delay(IDLE_MS, undefined, { signal }).catch(() => {});
  }
}

/**
 * Numbers the orders that are committed and have no number yet; resolves to how many it has numbered. No transaction is
 * open meanwhile, and no row is locked: two workers that take the same order get the same pair for it.
 */
export async function numberOrders(db: Pool, orderNumbers: OrderNumbersClient): Promise<number> {
  const { rows } = await db.query<{ id: string; store_id: string }>(
    `SELECT id, store_id FROM orders WHERE order_number IS NULL AND number_after <= now()
     ORDER BY number_after LIMIT $1`,
    [MAX_ORDERS],
  );
  const done = await Promise.all(rows.map((order) => numberOrder(db, orderNumbers, order.id, BigInt(order.store_id))));
  return done.filter(Boolean).length;
}

async function numberOrder(db: Pool, orderNumbers: OrderNumbersClient, id: string, storeId: bigint): Promise<boolean> {
  try {
    const { orderId, orderNumber, displayNumber } = await orderNumbers.allocate({ storeId, requestId: id });
    await db.query('UPDATE orders SET order_id = $2, order_number = $3, display_number = $4 WHERE id = $1', [
      id,
      String(orderId),
      String(orderNumber),
      displayNumber,
    ]);
    return true;
  } catch (error) {
    // Refused or unknown: the row stays, and so does its key.
    console.error(`order ${id} has no number yet:`, error);
    await db.query("UPDATE orders SET number_after = now() + interval '1 minute' WHERE id = $1", [id]);
    return false;
  }
}
