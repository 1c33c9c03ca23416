// Released with version 3: never edited; add the next version.

/** As in version 1: lookups by index, whatever the size of a table was when the plan was made. */
const SETTINGS = `SECURITY DEFINER
  SET search_path = order_numbers, pg_temp
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off`;

/**
 * One plan for batches of all sizes: the settings above leave only one anyway. Left to itself, PostgreSQL plans batches of
 * some sizes each time, which takes longer than numbering a small one.
 */
export const PLANNED_ONCE = `${SETTINGS} SET plan_cache_mode = force_generic_plan`;

/** The writes that know who asks, and what a store was before. Those of version 1 stay for older servers. */
export const WRITES_WITH_CALLERS = `
-- Numbers one batch, as allocate does for older servers, and writes who asked. The keys (store_id, request_id) of a batch
-- are distinct. caller_names may be shorter than the other arrays: a request without one has no named caller. Returns
-- one row a request, in any order: item is its place in the arrays, from 1; outcome 'new', 'replay', 'exhausted' or
-- 'no store'; a replay's caller is that of the request that took the numbers.
CREATE FUNCTION order_numbers.allocate_for(
  store_ids bigint[], request_ids text[], counts integer[], caller_names text[], auto_create boolean,
  expected text DEFAULT NULL
) RETURNS TABLE (
  item integer, outcome text, order_id bigint, order_number bigint, count integer, create_time_ms bigint,
  prefix text, suffix text, min_digits integer, caller text, ledger_end bigint, ledger_version bigint
) LANGUAGE plpgsql VOLATILE ${PLANNED_ONCE} AS $$
#variable_conflict use_column
DECLARE
  greatest_number CONSTANT bigint := 9223372036854775807;
  ledger_row ledger%ROWTYPE;
  now_ms bigint;
  fresh record;
  last_store bigint;
  room bigint;
  fits bigint := greatest_number - (SELECT sum(each) FROM unnest(counts) AS each);
BEGIN
  SELECT * INTO ledger_row FROM ledger WHERE moving_from IS NULL FOR UPDATE;
  IF NOT FOUND OR ledger_row.ledger_id <> expected THEN PERFORM refuse_numbering(expected); END IF;
  now_ms := greatest(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, ledger_row.last_create_time_ms);

  -- Near its end a store's sequence has room for some requests and not for others: those are made to ask for nothing.
  IF EXISTS (SELECT FROM stores WHERE store_id = ANY (store_ids) AND last_number > fits) THEN
    FOR fresh IN
      SELECT request.item, request.store_id, request.count, greatest_number - store.last_number AS room
      FROM unnest(store_ids, request_ids, counts) WITH ORDINALITY AS request (store_id, request_id, count, item)
      JOIN stores AS store ON store.store_id = request.store_id AND store.last_number > fits
      WHERE NOT EXISTS (SELECT FROM allocations AS known
        WHERE known.request_id = request.request_id AND known.store_id = request.store_id)
      ORDER BY request.store_id, request.item
    LOOP
      IF last_store IS DISTINCT FROM fresh.store_id THEN
        last_store := fresh.store_id;
        room := fresh.room;
      END IF;
      IF fresh.count > room THEN counts[fresh.item] := 0; ELSE room := room - fresh.count; END IF;
    END LOOP;
  END IF;

  IF ledger_row.last_order_id > fits THEN
    IF cardinality(store_ids) > 1 THEN
      -- The same for the sequence over all stores, which comes to its end once: one after the other.
      FOR i IN 1 .. cardinality(store_ids) LOOP
        RETURN QUERY SELECT i, one.outcome, one.order_id, one.order_number, one.count, one.create_time_ms,
          one.prefix, one.suffix, one.min_digits, one.caller, one.ledger_end, one.ledger_version
        FROM allocate_for(
          store_ids[i:i], request_ids[i:i], counts[i:i], caller_names[i:i], auto_create, expected
        ) AS one;
      END LOOP;
      RETURN;
    END IF;
    counts := ARRAY[0];
  END IF;

  RETURN QUERY
  WITH asked AS MATERIALIZED (
    SELECT request.item::integer, request.store_id, request.request_id, request.count,
      coalesce(request.caller, '') AS caller,
      known.order_id AS known_order_id, known.order_number AS known_order_number, known.count AS known_count,
      known.create_time_ms AS known_create_time_ms, known.prefix AS known_prefix, known.suffix AS known_suffix,
      known.min_digits AS known_min_digits,
      store.store_id IS NOT NULL AS has_store, coalesce(store.last_number, 99) AS last_number,
      coalesce(store.prefix, '') AS prefix, coalesce(store.suffix, '') AS suffix,
      coalesce(store.min_digits, 0) AS min_digits
    FROM unnest(store_ids, request_ids, counts, caller_names) WITH ORDINALITY
      AS request (store_id, request_id, count, caller, item)
    LEFT JOIN stores AS store ON store.store_id = request.store_id
    LEFT JOIN allocations AS known ON known.request_id = request.request_id AND known.store_id = request.store_id
  ), fresh AS MATERIALIZED (
    SELECT item, store_id, request_id, count, caller, has_store, prefix, suffix, min_digits,
      ledger_row.last_order_id
        + (sum(count) OVER (ORDER BY item ROWS UNBOUNDED PRECEDING) - count + 1) AS order_id,
      last_number
        + (sum(count) OVER (PARTITION BY store_id ORDER BY item ROWS UNBOUNDED PRECEDING) - count + 1) AS order_number
    FROM asked WHERE known_order_id IS NULL AND (has_store OR auto_create) AND count > 0
  ), numbered AS (
    INSERT INTO allocations
      (order_id, store_id, order_number, count, request_id, create_time_ms, prefix, suffix, min_digits)
    SELECT order_id, store_id, order_number, count, request_id, now_ms, prefix, suffix, min_digits FROM fresh
  ), named AS (
    INSERT INTO callers (order_id, caller) SELECT order_id, caller FROM fresh WHERE caller <> ''
  ), made AS (
    INSERT INTO stores (store_id, first_number, last_number, create_time_ms)
    SELECT store_id, 100, max(order_number + (count - 1)), now_ms FROM fresh WHERE NOT has_store GROUP BY store_id
  ), moved AS (
    UPDATE stores SET last_number = ends.last_number
    FROM (SELECT store_id, max(order_number + (count - 1)) AS last_number FROM fresh WHERE has_store GROUP BY store_id)
      AS ends
    WHERE stores.store_id = ends.store_id
  ), ended AS (
    -- Written for replays alone, too: their answer must wait for a standby as that of new numbers does.
    UPDATE ledger SET version = version + 1,
      last_order_id = last_order_id + coalesce(given.numbers, 0),
      last_create_time_ms = CASE WHEN given.numbers > 0 THEN now_ms ELSE last_create_time_ms END
    FROM (SELECT sum(count) AS numbers FROM fresh) AS given
    RETURNING last_order_id, version
  )
  SELECT item, 'new', order_id, order_number, count, now_ms, prefix, suffix, min_digits, caller, last_order_id,
    version
  FROM fresh, ended
  UNION ALL
  SELECT item,
    CASE WHEN known_order_id IS NOT NULL THEN 'replay'
      WHEN has_store OR auto_create THEN 'exhausted' ELSE 'no store' END,
    known_order_id, known_order_number, known_count, known_create_time_ms, known_prefix, known_suffix,
    known_min_digits, coalesce((SELECT caller FROM callers WHERE order_id = known_order_id), ''), last_order_id, version
  FROM asked, ended WHERE known_order_id IS NOT NULL OR NOT (has_store OR auto_create) OR count = 0;
END $$;

-- Changes a store as change_store does, and also returns what it was before; that is null if there is no store.
CREATE FUNCTION order_numbers.update_store(
  id bigint, new_first bigint, new_prefix text, new_suffix text, new_min_digits integer, expected text DEFAULT NULL
) RETURNS TABLE (
  outcome text, store_id bigint, first_number bigint, last_number bigint, prefix text, suffix text,
  min_digits integer, create_time_ms bigint, ledger_end bigint, ledger_version bigint,
  old_first_number bigint, old_last_number bigint, old_prefix text, old_suffix text, old_min_digits integer
) LANGUAGE plpgsql VOLATILE ${SETTINGS} AS $$
#variable_conflict use_column
DECLARE
  old stores%ROWTYPE;
BEGIN
  -- The lock that every write takes first: nothing changes the store between this look and the change.
  PERFORM FROM ledger FOR UPDATE;
  SELECT * INTO old FROM stores WHERE store_id = id;
  RETURN QUERY SELECT changed.*, old.first_number, old.last_number, old.prefix, old.suffix, old.min_digits
    FROM change_store(id, new_first, new_prefix, new_suffix, new_min_digits, expected) AS changed;
END $$;
`;
