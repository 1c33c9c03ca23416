import { STORES } from '../../ours/client-peers.ts';
import { postgresPeer } from './postgres-peer.ts';

/** One function call per order, all of which update the one row of the counter. */
export const hotRow = postgresPeer({
  name: 'hot-row',
  work: "one PL/pgSQL function call per order with both counters and the order's row, prepared, by pgbench",
  schema: 'hot-row.sql',
  script: `
\\set store random(1, ${STORES})
\\set request random(1, 9223372036854775807)
SELECT * FROM number_order(:store, :request);
`,
  async number(client, { storeId, requestId }) {
    const { rows } = await client.query<{ given_order_id: string; given_number: string }>({
      name: 'number',
      text: 'SELECT * FROM number_order($1, $2)',
      values: [storeId, requestId],
    });
    return { orderId: Number(rows[0]!.given_order_id), orderNumber: Number(rows[0]!.given_number) };
  },
  counters: `
    SELECT NULL::bigint AS store_id, 1 AS first, last_order_id AS last FROM counter
    UNION ALL SELECT store_id, 1, last_number FROM stores`,
});
