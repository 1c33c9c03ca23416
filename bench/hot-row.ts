import { randomUUID } from 'node:crypto';
import { Pool } from 'pg';

// One function call per order, the obvious way: each call locks the counter row, numbers one order and commits. It uses
// as many connections as calls in flight, up to 64, and calls the database directly: no gRPC, which is to its
// advantage.

const MAX_CONNECTIONS = 64;
const STORES = 10;

/** Does what the server's function does for a batch of one, without anything that only batches need. */
const CREATE_FUNCTION = `
CREATE OR REPLACE FUNCTION order_numbers.one_order(store bigint, request text) RETURNS SETOF order_numbers.allocations
LANGUAGE plpgsql SET search_path = order_numbers, pg_temp AS $$
#variable_conflict use_column
DECLARE
  last ledger%ROWTYPE;
  counter stores%ROWTYPE;
  now_ms bigint;
BEGIN
  UPDATE ledger SET last_order_id = last_order_id + 1, version = version + 1,
    last_create_time_ms = greatest(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, last_create_time_ms)
    RETURNING * INTO last;
  RETURN QUERY SELECT * FROM allocations WHERE store_id = store AND request_id = request;
  IF FOUND THEN RETURN; END IF;
  INSERT INTO stores (store_id, first_number, last_number, create_time_ms)
    VALUES (store, 100, 100, last.last_create_time_ms)
    ON CONFLICT (store_id) DO UPDATE SET last_number = stores.last_number + 1 RETURNING * INTO counter;
  RETURN QUERY INSERT INTO allocations
    (order_id, store_id, order_number, count, request_id, create_time_ms, prefix, suffix, min_digits)
    VALUES (last.last_order_id, store, counter.last_number, 1, request, last.last_create_time_ms,
      counter.prefix, counter.suffix, counter.min_digits)
    RETURNING *;
END $$`;

const [url = '', inFlight = '1', calls = '1'] = process.argv.slice(2);
const pool = new Pool({ connectionString: url, max: Math.min(MAX_CONNECTIONS, Number(inFlight)) });
await pool.query(CREATE_FUNCTION);

let left = Number(calls);
const latencies: number[] = [];
const caller = async () => {
  while (left > 0) {
    const values = [1 + (left-- % STORES), randomUUID()];
    const began = performance.now();
    await pool.query({ name: 'one', text: 'SELECT * FROM order_numbers.one_order($1, $2)', values });
    latencies.push(performance.now() - began);
  }
};
const began = performance.now();
await Promise.all(Array.from({ length: Number(inFlight) }, caller));
const seconds = (performance.now() - began) / 1000;
await pool.end();
latencies.sort((a, b) => a - b);
const at = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
console.log(
  JSON.stringify({ calls: latencies.length, rps: latencies.length / seconds, p50Ms: at(0.5), p99Ms: at(0.99) }),
);
