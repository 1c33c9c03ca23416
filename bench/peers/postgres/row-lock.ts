import type { PoolClient } from 'pg';
import { DatabaseError } from 'pg';
import type { Order, Pair } from '../order-client.ts';
import { STORES } from '../../ours/client-peers.ts';
import { postgresPeer } from './postgres-peer.ts';

const UNIQUE_VIOLATION = '23505';

/** The next value of the sequence with this name, as an SQL expression. */
function nextValue(name: string): string {
  return `INSERT INTO sequences_sequence (name, last) VALUES (${name}, 1)
    ON CONFLICT (name) DO UPDATE SET last = sequences_sequence.last + 1 RETURNING last`;
}

/** A transaction of several statements per order, as an application with django-sequences runs it. */
export const rowLock = postgresPeer({
  name: 'row-lock',
  work: "a transaction of two sequence updates and the order's row, as with django-sequences, prepared, by pgbench",
  schema: 'row-lock.sql',
  // Every transaction updates the sequence of all orders first, so that there are no deadlocks.
  script: `
\\set store random(1, ${STORES})
\\set request random(1, 9223372036854775807)
BEGIN;
${nextValue(`'orders'`)} AS order_id \\gset
${nextValue(`'store-' || :store`)} AS order_number \\gset
INSERT INTO orders (order_id, store_id, order_number, request_id) VALUES (:order_id, :store, :order_number, :request);
COMMIT;
`,
  async number(client, order) {
    try {
      return await numberInTransaction(client, order);
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code !== UNIQUE_VIOLATION) throw error;
      await client.query('ROLLBACK');
      return findOrder(client, order);
    }
  },
  counters: `
    SELECT CASE name WHEN 'orders' THEN NULL ELSE substr(name, length('store-') + 1)::bigint END AS store_id,
      1 AS first, last
    FROM sequences_sequence`,
});

async function numberInTransaction(client: PoolClient, { storeId, requestId }: Order): Promise<Pair> {
  await client.query('BEGIN');
  const orderId = await next(client, 'orders');
  const orderNumber = await next(client, `store-${storeId}`);
  await client.query({
    name: 'order',
    text: 'INSERT INTO orders (order_id, store_id, order_number, request_id) VALUES ($1, $2, $3, $4)',
    values: [orderId, storeId, orderNumber, requestId],
  });
  await client.query('COMMIT');
  return { orderId, orderNumber };
}

async function next(client: PoolClient, name: string): Promise<number> {
  const { rows } = await client.query<{ last: string }>({ name: 'next', text: nextValue('$1'), values: [name] });
  return Number(rows[0]!.last);
}

async function findOrder(client: PoolClient, { storeId, requestId }: Order): Promise<Pair> {
  const { rows } = await client.query<{ order_id: string; order_number: string }>(
    'SELECT order_id, order_number FROM orders WHERE request_id = $1 AND store_id = $2',
    [requestId, storeId],
  );
  return { orderId: Number(rows[0]!.order_id), orderNumber: Number(rows[0]!.order_number) };
}
