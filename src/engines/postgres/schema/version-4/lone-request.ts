// Released with version 4: never edited; add the next version.

import { PLANNED_ONCE } from '../version-3/writes.ts';

/**
 * The batch of one, which is what a server that is not busy sends. To start the one large statement of allocate_for takes
 * longer than to number one order in a few small ones.
 */
export const LONE_REQUEST = `
-- Numbers one request, as allocate_for does a batch, and returns the same row. It does only what nearly every request
-- needs, a new key of a store that has numbers left; all else is left to allocate_for, in the same transaction.
CREATE FUNCTION order_numbers.allocate_one(
  id bigint, request text, numbers integer, caller_name text, auto_create boolean, expected text DEFAULT NULL
) RETURNS TABLE (
  item integer, outcome text, order_id bigint, order_number bigint, count integer, create_time_ms bigint,
  prefix text, suffix text, min_digits integer, caller text, ledger_end bigint, ledger_version bigint
) LANGUAGE plpgsql VOLATILE ${PLANNED_ONCE} AS $$
#variable_conflict use_column
DECLARE
  greatest_before CONSTANT bigint := 9223372036854775807 - numbers;
  end_before bigint;
  last_ms bigint;
BEGIN
  SELECT last_order_id, last_create_time_ms INTO end_before, last_ms FROM ledger
    WHERE moving_from IS NULL AND ledger_id = coalesce(expected, ledger_id) FOR UPDATE;
  IF end_before <= greatest_before THEN
    PERFORM FROM allocations WHERE request_id = request AND store_id = id;
    IF NOT FOUND THEN
      UPDATE stores SET last_number = last_number + numbers WHERE store_id = id AND last_number <= greatest_before
        RETURNING last_number - (numbers - 1), prefix, suffix, min_digits INTO order_number, prefix, suffix, min_digits;
      IF FOUND THEN
        order_id := end_before + 1;
        create_time_ms := greatest(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, last_ms);
        INSERT INTO allocations
          (order_id, store_id, order_number, count, request_id, create_time_ms, prefix, suffix, min_digits)
          VALUES (order_id, id, order_number, numbers, request, create_time_ms, prefix, suffix, min_digits);
        IF caller_name <> '' THEN INSERT INTO callers (order_id, caller) VALUES (order_id, caller_name); END IF;
        UPDATE ledger SET last_order_id = end_before + numbers, last_create_time_ms = create_time_ms, version = version + 1
          RETURNING last_order_id, version INTO ledger_end, ledger_version;
        item := 1;
        outcome := 'new';
        count := numbers;
        caller := caller_name;
        RETURN NEXT;
        RETURN;
      END IF;
    END IF;
  END IF;
  RETURN QUERY SELECT * FROM allocate_for(
    ARRAY[id], ARRAY[request], ARRAY[numbers], ARRAY[caller_name], auto_create, expected
  );
END $$;
`;
