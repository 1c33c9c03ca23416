/** Orders of 10 stores in an empty ledger, as SQL that both of its engines know. */
export function ordersSql(count: number): string {
  return `
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${count - 1})
INSERT INTO allocations (order_id, store_id, order_number, count, request_id, create_time_ms, prefix, suffix, min_digits)
SELECT i + 1, i % 10 + 1, i / 10 + 100, 1, '${'cart-'.padEnd(120, 'x')}' || i, 1000, '', '', 0 FROM n;
INSERT INTO stores (store_id, first_number, last_number, create_time_ms)
SELECT store_id, 100, max(order_number), 1000 FROM allocations GROUP BY store_id;
UPDATE ledger SET last_order_id = ${count}, last_create_time_ms = 1000`;
}
