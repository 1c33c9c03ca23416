// Released with version 2: never edited; add the next version.

import { READ_SETTINGS } from '../version-1/reads.ts';

/**
 * Lists in both directions. The functions of version 1 that they replace stay, because older servers still call them
 * during an upgrade.
 */
export const LIST_FUNCTIONS = `
-- The order_number of a store's first allocation that ends above an order_id, or, with begins, that begins above it;
-- null if there is none. Both numbers rise together inside a store, so a binary search over the index of
-- order_numbers finds it.
CREATE FUNCTION order_numbers.first_number_above(id bigint, bound bigint, begins boolean) RETURNS bigint
LANGUAGE plpgsql ${READ_SETTINGS} AS $$
DECLARE
  low bigint;
  high bigint;
  middle bigint;
  number bigint;
  reached bigint;
BEGIN
  SELECT order_number, CASE WHEN begins THEN order_id ELSE order_id + (count - 1) END INTO number, reached
    FROM last_up_to_order_number(id, 9223372036854775807);
  IF NOT FOUND OR reached <= bound THEN RETURN NULL; END IF;
  high := number;
  SELECT order_number, CASE WHEN begins THEN order_id ELSE order_id + (count - 1) END INTO number, reached
    FROM allocations WHERE store_id = id ORDER BY order_number LIMIT 1;
  IF reached > bound THEN RETURN number; END IF;
  low := number + 1;
  WHILE low < high LOOP
    middle := low + (high - low) / 2;
    SELECT order_number, CASE WHEN begins THEN order_id ELSE order_id + (count - 1) END INTO number, reached
      FROM last_up_to_order_number(id, middle);
    IF reached > bound THEN high := number; ELSE low := middle + 1; END IF;
  END LOOP;
  RETURN low;
END $$;

-- Allocations whose last order_id is above one bound and whose first is not above another, from either end.
CREATE FUNCTION order_numbers.list_allocations(above bigint, up_to bigint, most integer, newest_first boolean)
RETURNS SETOF order_numbers.allocations LANGUAGE plpgsql ${READ_SETTINGS} AS $$
DECLARE
  below bigint := coalesce(
    (SELECT order_id - 1 FROM last_up_to_order_id(above) WHERE order_id + (count - 1) > above), above);
BEGIN
  IF newest_first THEN
    RETURN QUERY SELECT * FROM allocations
      WHERE order_id > below AND order_id <= up_to ORDER BY order_id DESC LIMIT most;
  ELSE
    RETURN QUERY SELECT * FROM allocations
      WHERE order_id > below AND order_id <= up_to ORDER BY order_id LIMIT most;
  END IF;
END $$;

-- The same of one store.
CREATE FUNCTION order_numbers.list_store_allocations(
  id bigint, above bigint, up_to bigint, most integer, newest_first boolean
) RETURNS SETOF order_numbers.allocations LANGUAGE plpgsql ${READ_SETTINGS} AS $$
DECLARE
  low bigint := first_number_above(id, above, false);
  high bigint := coalesce(first_number_above(id, up_to, true) - 1, 9223372036854775807);
BEGIN
  IF newest_first THEN
    RETURN QUERY SELECT * FROM allocations
      WHERE store_id = id AND order_number >= low AND order_number <= high ORDER BY order_number DESC LIMIT most;
  ELSE
    RETURN QUERY SELECT * FROM allocations
      WHERE store_id = id AND order_number >= low AND order_number <= high ORDER BY order_number LIMIT most;
  END IF;
END $$;
`;
