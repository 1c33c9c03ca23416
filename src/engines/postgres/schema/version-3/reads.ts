// Released with version 3: never edited; add the next version.

import { READ_SETTINGS } from '../version-1/reads.ts';

/** They name their columns: the next version can add to a table without a change of what these return. */
const ALLOCATIONS = `TABLE (
  order_id bigint, store_id bigint, order_number bigint, count integer, request_id text, create_time_ms bigint,
  prefix text, suffix text, min_digits integer, caller text
)`;

const SELECT = `SELECT order_id, store_id, order_number, count, request_id, create_time_ms, prefix, suffix, min_digits,
    coalesce(caller, '')
  FROM allocations LEFT JOIN callers USING (order_id)`;

/** The reads of allocations with their callers. Those of versions 1 and 2 that they replace stay for older servers. */
export const READS_WITH_CALLERS = `
-- The last allocation that begins at or below an order_id: the only one that can cover it.
CREATE FUNCTION order_numbers.allocation_up_to_order_id(id bigint) RETURNS ${ALLOCATIONS}
LANGUAGE sql ${READ_SETTINGS} AS $$
  ${SELECT}
  WHERE order_id <= id ORDER BY order_id DESC LIMIT 1
$$;

CREATE FUNCTION order_numbers.allocation_up_to_order_number(id bigint, number bigint) RETURNS ${ALLOCATIONS}
LANGUAGE sql ${READ_SETTINGS} AS $$
  ${SELECT}
  WHERE store_id = id AND order_number <= number ORDER BY order_number DESC LIMIT 1
$$;

CREATE FUNCTION order_numbers.allocation_by_request_id(id bigint, request text) RETURNS ${ALLOCATIONS}
LANGUAGE sql ${READ_SETTINGS} AS $$
  ${SELECT}
  WHERE store_id = id AND request_id = request
$$;

-- Allocations whose last order_id is above one bound and whose first is not above another, from either end.
CREATE FUNCTION order_numbers.allocations_between(above bigint, up_to bigint, most integer, newest_first boolean)
RETURNS ${ALLOCATIONS} LANGUAGE plpgsql ${READ_SETTINGS} AS $$
#variable_conflict use_column
DECLARE
  below bigint := coalesce(
    (SELECT order_id - 1 FROM last_up_to_order_id(above) WHERE order_id + (count - 1) > above), above);
BEGIN
  IF newest_first THEN
    RETURN QUERY ${SELECT}
      WHERE order_id > below AND order_id <= up_to ORDER BY order_id DESC LIMIT most;
  ELSE
    RETURN QUERY ${SELECT}
      WHERE order_id > below AND order_id <= up_to ORDER BY order_id LIMIT most;
  END IF;
END $$;

-- The same of one store.
CREATE FUNCTION order_numbers.store_allocations_between(
  id bigint, above bigint, up_to bigint, most integer, newest_first boolean
) RETURNS ${ALLOCATIONS} LANGUAGE plpgsql ${READ_SETTINGS} AS $$
#variable_conflict use_column
DECLARE
  low bigint := first_number_above(id, above, false);
  high bigint := coalesce(first_number_above(id, up_to, true) - 1, 9223372036854775807);
BEGIN
  IF newest_first THEN
    RETURN QUERY ${SELECT}
      WHERE store_id = id AND order_number >= low AND order_number <= high ORDER BY order_number DESC LIMIT most;
  ELSE
    RETURN QUERY ${SELECT}
      WHERE store_id = id AND order_number >= low AND order_number <= high ORDER BY order_number LIMIT most;
  END IF;
END $$;
`;
