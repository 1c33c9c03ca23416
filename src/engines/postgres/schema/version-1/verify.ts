// Released with version 1: never edited; add the next version.

/**
 * The functions that only a verification needs. They read the rows and each index page by page. Sorts are switched off
 * even for a few rows, so that each count comes from the index in question and not from another one.
 */
const SETTINGS = `STABLE SECURITY DEFINER
  SET search_path = order_numbers, pg_temp
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
  SET enable_sort = off SET enable_hashagg = off SET jit = off`;

export const VERIFY_FUNCTIONS = `
-- The ledger, and its rows above its counter as of the same moment; of very many, not all are counted.
CREATE FUNCTION order_numbers.verify_ledger(most integer) RETURNS TABLE (
  ledger_id text, first_order_id bigint, last_order_id bigint, rows_above bigint
) LANGUAGE sql ${SETTINGS} AS $$
  SELECT ledger_id, first_order_id, last_order_id,
    (SELECT count(*) FROM (SELECT FROM allocations WHERE order_id > ledger.last_order_id LIMIT most) AS above)
  FROM ledger
$$;

-- Whether what is read beside this is the ledger that a verification began with. One that lasts may come to a server
-- that is behind: what is not there yet must not look like a hole. 57P03, as a server says that does not serve yet.
CREATE FUNCTION order_numbers.require_ledger(wanted text, up_to bigint) RETURNS boolean LANGUAGE plpgsql ${SETTINGS} AS $$
BEGIN
  IF EXISTS (SELECT FROM ledger WHERE ledger_id = wanted AND last_order_id >= up_to) THEN RETURN true; END IF;
  RAISE EXCEPTION 'this server does not have the ledger % up to order_id % now', wanted, up_to USING ERRCODE = '57P03';
END $$;

-- The indexes that numbering relies on: fault is null where nothing is wrong. is_complete says that one has all rows
-- in its order, as far as PostgreSQL knows.
CREATE FUNCTION order_numbers.verify_indexes() RETURNS TABLE (name text, fault text, is_complete boolean)
LANGUAGE sql ${SETTINGS} AS $$
  SELECT name, CASE
      WHEN indexrelid IS NULL THEN 'is missing'
      WHEN NOT is_valid THEN 'is not valid'
      WHEN NOT is_complete THEN 'is not over (' || array_to_string(columns, ', ') || ') of all rows'
      WHEN NOT indisunique THEN 'is not unique'
    END, coalesce(is_valid AND is_complete, false)
  FROM (VALUES
      (1, 'allocations_by_order_id', 'allocations'::regclass, ARRAY['order_id']),
      (2, 'allocations_by_request_id', 'allocations', ARRAY['request_id', 'store_id']),
      (3, 'allocations_by_order_number', 'allocations', ARRAY['store_id', 'order_number']),
      (4, 'stores_pkey', 'stores', ARRAY['store_id'])
    ) AS wanted (place, name, indexed, columns)
  LEFT JOIN LATERAL (
    SELECT indexrelid, indisunique, indisvalid AND indisready AS is_valid,
      indpred IS NULL AND columns = ARRAY(
        SELECT coalesce(attname::text, '') FROM unnest(indkey[0:indnkeyatts - 1]) WITH ORDINALITY AS key (attnum, place)
        LEFT JOIN pg_attribute ON attrelid = indrelid AND pg_attribute.attnum = key.attnum ORDER BY key.place
      ) AS is_complete
    FROM pg_index WHERE indexrelid = to_regclass(name) AND indrelid = indexed
  ) AS found ON true
  ORDER BY place
$$;

-- Rows above one order_id and up to another, in order. Here and below rows that share the last place come along, so
-- that the next read misses none where an index that forbids that is gone.
CREATE FUNCTION order_numbers.verify_allocations(above bigint, up_to bigint, most integer) RETURNS TABLE (
  order_id bigint, store_id bigint, order_number bigint, count bigint, create_time_ms bigint
) LANGUAGE sql ${SETTINGS} AS $$
  SELECT order_id, store_id, order_number, count, create_time_ms FROM allocations
  WHERE order_id > above AND order_id <= up_to ORDER BY order_id FETCH FIRST (most) ROWS WITH TIES
$$;

-- Counters above one store and up to another, in order, and where each store's rows end at the same moment; without
-- the index of order_numbers that would take a whole scan a store, so it is then not looked for.
CREATE FUNCTION order_numbers.verify_stores(above bigint, up_to bigint, most integer, is_indexed boolean)
RETURNS TABLE (store_id bigint, first_number bigint, last_number bigint, rows_end bigint)
LANGUAGE sql ${SETTINGS} AS $$
  SELECT store_id, first_number, last_number, CASE WHEN is_indexed THEN (
      SELECT order_number + (count - 1) FROM allocations WHERE allocations.store_id = stores.store_id
      ORDER BY order_number DESC LIMIT 1
    ) END
  FROM stores WHERE store_id > above AND store_id <= up_to ORDER BY store_id FETCH FIRST (most) ROWS WITH TIES
$$;

-- One store's rows above an order_number, in order.
CREATE FUNCTION order_numbers.verify_store_rows(id bigint, above bigint, most integer) RETURNS TABLE (
  order_number bigint, order_id bigint, count bigint, create_time_ms bigint
) LANGUAGE sql ${SETTINGS} AS $$
  SELECT order_number, order_id, count, create_time_ms FROM allocations
  WHERE store_id = id AND order_number > above ORDER BY order_number FETCH FIRST (most) ROWS WITH TIES
$$;

-- The next entries of the index of order_numbers, counted by store: those up to an order_id, and all.
CREATE FUNCTION order_numbers.verify_order_numbers(above_store bigint, above_number bigint, up_to bigint, most integer)
RETURNS TABLE (store_id bigint, last_number bigint, entries bigint, entries_read bigint)
LANGUAGE sql ${SETTINGS} AS $$
  SELECT store_id, max(order_number), count(*) FILTER (WHERE order_id <= up_to), count(*) FROM (
    SELECT store_id, order_number, order_id FROM allocations
    WHERE (store_id, order_number) > (above_store, above_number)
    ORDER BY store_id, order_number FETCH FIRST (most) ROWS WITH TIES
  ) AS entry GROUP BY store_id ORDER BY store_id
$$;

-- The next keys of the index of request_ids: those that have several rows up to an order_id, and the last key in any
-- case. entries_so_far counts the rows of all keys before and of this one.
CREATE FUNCTION order_numbers.verify_request_ids(
  above_request text, above_store bigint, up_to bigint, most integer
) RETURNS TABLE (
  request_id text, store_id bigint, entries bigint, first_row bigint, last_row bigint, entries_so_far bigint, keys bigint
) LANGUAGE sql ${SETTINGS} AS $$
  SELECT request_id, store_id, entries, first_row, last_row, entries_so_far::bigint, keys FROM (
    SELECT *, count(*) OVER () AS keys, row_number() OVER running AS place, sum(entries) OVER running AS entries_so_far
    FROM (
      SELECT request_id, store_id, count(*) FILTER (WHERE order_id <= up_to) AS entries,
        min(order_id) FILTER (WHERE order_id <= up_to) AS first_row,
        max(order_id) FILTER (WHERE order_id <= up_to) AS last_row
      FROM allocations WHERE (request_id, store_id) > (above_request, above_store)
      GROUP BY request_id, store_id ORDER BY request_id, store_id LIMIT most
    ) AS key WINDOW running AS (ORDER BY request_id, store_id)
  ) AS page WHERE entries > 1 OR place = keys ORDER BY place
$$;
`;
