// Released with version 1: never edited; add the next version.

/**
 * The functions that read. They are STABLE: all calls in one statement see the same moment, so that the end of the
 * ledger is the one that belongs to the rows beside it.
 */
export const READ_SETTINGS = `STABLE SECURITY DEFINER
  SET search_path = order_numbers, pg_temp
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
  SET jit = off`;

export const READ_FUNCTIONS = `
CREATE FUNCTION order_numbers.ledger_end() RETURNS TABLE (
  ledger_id text, last_order_id bigint, version bigint, timeline integer, last_store_id bigint
) LANGUAGE sql ${READ_SETTINGS} AS $$
  SELECT ledger_id, last_order_id, version, timeline, coalesce((SELECT max(store_id) FROM stores), 0) FROM ledger
$$;

-- Stores above one id and up to another, in order.
CREATE FUNCTION order_numbers.list_stores(above bigint, up_to bigint, most integer) RETURNS SETOF order_numbers.stores
LANGUAGE sql ${READ_SETTINGS} AS $$
  SELECT * FROM stores WHERE store_id > above AND store_id <= up_to ORDER BY store_id LIMIT most
$$;

-- The last allocation that begins at or below an order_id: the only one that can cover it.
CREATE FUNCTION order_numbers.last_up_to_order_id(id bigint) RETURNS SETOF order_numbers.allocations
LANGUAGE sql ${READ_SETTINGS} AS $$
  SELECT * FROM allocations WHERE order_id <= id ORDER BY order_id DESC LIMIT 1
$$;

CREATE FUNCTION order_numbers.last_up_to_order_number(id bigint, number bigint) RETURNS SETOF order_numbers.allocations
LANGUAGE sql ${READ_SETTINGS} AS $$
  SELECT * FROM allocations WHERE store_id = id AND order_number <= number ORDER BY order_number DESC LIMIT 1
$$;

CREATE FUNCTION order_numbers.by_request_id(id bigint, request text) RETURNS SETOF order_numbers.allocations
LANGUAGE sql ${READ_SETTINGS} AS $$
  SELECT * FROM allocations WHERE store_id = id AND request_id = request
$$;

-- Allocations whose last order_id is above one bound and whose first is not above another, in order.
CREATE FUNCTION order_numbers.list_allocations(above bigint, up_to bigint, most integer)
RETURNS SETOF order_numbers.allocations LANGUAGE sql ${READ_SETTINGS} AS $$
  SELECT * FROM allocations
  WHERE order_id <= up_to AND order_id > coalesce(
    (SELECT order_id - 1 FROM last_up_to_order_id(above) WHERE order_id + (count - 1) > above), above)
  ORDER BY order_id LIMIT most
$$;

-- The same of one store. Both numbers rise together inside a store, so a binary search over the index of order_numbers
-- finds where they begin.
CREATE FUNCTION order_numbers.list_store_allocations(id bigint, above bigint, up_to bigint, most integer)
RETURNS SETOF order_numbers.allocations LANGUAGE plpgsql ${READ_SETTINGS} AS $$
DECLARE
  low bigint := (SELECT order_number FROM allocations WHERE store_id = id ORDER BY order_number LIMIT 1);
  high bigint;
  middle bigint;
  found_row allocations%ROWTYPE;
BEGIN
  SELECT * INTO found_row FROM last_up_to_order_number(id, 9223372036854775807);
  IF NOT FOUND OR found_row.order_id + (found_row.count - 1) <= above THEN RETURN; END IF;
  high := found_row.order_number;
  WHILE low < high LOOP
    middle := low + (high - low) / 2;
    SELECT * INTO found_row FROM last_up_to_order_number(id, middle);
    IF found_row.order_id + (found_row.count - 1) <= above THEN
      low := middle + 1;
    ELSE
      high := CASE WHEN found_row.order_number < high THEN found_row.order_number ELSE low END;
    END IF;
  END LOOP;
  RETURN QUERY SELECT * FROM allocations
    WHERE store_id = id AND order_number >= low AND order_id <= up_to ORDER BY order_number LIMIT most;
END $$;

CREATE FUNCTION order_numbers.list_declared_losses() RETURNS SETOF order_numbers.declared_losses
LANGUAGE sql ${READ_SETTINGS} AS $$
  SELECT * FROM declared_losses ORDER BY store_id NULLS FIRST, first
$$;
`;
