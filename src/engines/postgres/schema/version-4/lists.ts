// Released with version 4: never edited; add the next version.

/**
 * As for other reads, with one plan left: both tables are read in the order of their order_ids, side by side, until the page
 * is full. Looking up each caller by itself makes a page take a third longer.
 */
const SIDE_BY_SIDE = `STABLE SECURITY DEFINER
  SET search_path = order_numbers, pg_temp
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_nestloop = off SET enable_bitmapscan = off
  SET enable_sort = off SET jit = off`;

export const LISTS_SIDE_BY_SIDE = `
-- The same as allocations_between from its lower end. From the upper end PostgreSQL would sort all callers of the range.
CREATE FUNCTION order_numbers.allocations_above(above bigint, up_to bigint, most integer) RETURNS TABLE (
  order_id bigint, store_id bigint, order_number bigint, count integer, request_id text, create_time_ms bigint,
  prefix text, suffix text, min_digits integer, caller text
) LANGUAGE plpgsql ${SIDE_BY_SIDE} AS $$
#variable_conflict use_column
DECLARE
  below bigint := coalesce(
    (SELECT order_id - 1 FROM last_up_to_order_id(above) WHERE order_id + (count - 1) > above), above);
BEGIN
  RETURN QUERY SELECT order_id, store_id, order_number, count, request_id, create_time_ms, prefix, suffix, min_digits,
      coalesce(caller, '')
    FROM allocations
    LEFT JOIN (SELECT * FROM callers WHERE order_id > below AND order_id <= up_to) AS named USING (order_id)
    WHERE order_id > below AND order_id <= up_to ORDER BY order_id LIMIT most;
END $$;
`;
