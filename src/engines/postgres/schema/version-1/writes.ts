// Released with version 1: never edited; add the next version.

/**
 * The functions that write. A server may call these and the ones that read, and nothing else: they run with the rights
 * of the schema's owner. They are VOLATILE and run under READ COMMITTED: each statement after the lock sees what the
 * transaction before committed.
 *
 * The settings force lookups by index: otherwise a plan made while the ledger was empty, a scan, would be kept as it
 * grows.
 */
const SETTINGS = `SECURITY DEFINER
  SET search_path = order_numbers, pg_temp
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off`;

export const WRITE_FUNCTIONS = `
-- The small write that shows what was committed before it to be confirmed: where a standby is asked for, its commit
-- waits for that one. Every write but a batch begins with it, because it takes the lock. Like every write it is for the
-- ledger of the expected id, and for no other that has been put in its place; null is whichever is there.
CREATE FUNCTION order_numbers.confirm(expected text DEFAULT NULL) RETURNS TABLE (
  ledger_id text, last_order_id bigint, version bigint, timeline integer
)
LANGUAGE plpgsql VOLATILE ${SETTINGS} AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY UPDATE ledger SET version = version + 1,
      timeline = ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
    WHERE moving_from IS NULL AND ledger_id = coalesce(expected, ledger_id)
    RETURNING ledger_id, last_order_id, version, timeline;
  IF NOT FOUND THEN PERFORM refuse_numbering(expected); END IF;
END $$;

-- Why this ledger must not number.
CREATE FUNCTION order_numbers.refuse_numbering(expected text) RETURNS void LANGUAGE plpgsql VOLATILE ${SETTINGS} AS $$
BEGIN
  IF EXISTS (SELECT FROM ledger WHERE moving_from IS NULL AND ledger_id <> expected) THEN
    RAISE EXCEPTION 'another ledger than % is here', expected USING ERRCODE = 'ON003';
  END IF;
  IF EXISTS (SELECT FROM ledger) THEN
    RAISE EXCEPTION 'another ledger is being copied into this one: finish that with order-numbers migrate'
      USING ERRCODE = 'ON001';
  END IF;
  RAISE EXCEPTION 'the table order_numbers.ledger is empty: put a good copy back' USING ERRCODE = 'ON002';
END $$;

-- Numbers one batch. The keys (store_id, request_id) of a batch are distinct. Returns one row a request, in any
-- order: item is its place in the arrays, from 1; outcome 'new', 'replay', 'exhausted' or 'no store'.
CREATE FUNCTION order_numbers.allocate(
  store_ids bigint[], request_ids text[], counts integer[], auto_create boolean, expected text DEFAULT NULL
) RETURNS TABLE (
  item integer, outcome text, order_id bigint, order_number bigint, count integer, create_time_ms bigint,
  prefix text, suffix text, min_digits integer, ledger_end bigint, ledger_version bigint
) LANGUAGE plpgsql VOLATILE ${SETTINGS} AS $$
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
          one.prefix, one.suffix, one.min_digits, one.ledger_end, one.ledger_version
        FROM allocate(store_ids[i:i], request_ids[i:i], counts[i:i], auto_create, expected) AS one;
      END LOOP;
      RETURN;
    END IF;
    counts := ARRAY[0];
  END IF;

  RETURN QUERY
  WITH asked AS MATERIALIZED (
    SELECT request.item::integer, request.store_id, request.request_id, request.count,
      known.order_id AS known_order_id, known.order_number AS known_order_number, known.count AS known_count,
      known.create_time_ms AS known_create_time_ms, known.prefix AS known_prefix, known.suffix AS known_suffix,
      known.min_digits AS known_min_digits,
      store.store_id IS NOT NULL AS has_store, coalesce(store.last_number, 99) AS last_number,
      coalesce(store.prefix, '') AS prefix, coalesce(store.suffix, '') AS suffix,
      coalesce(store.min_digits, 0) AS min_digits
    FROM unnest(store_ids, request_ids, counts) WITH ORDINALITY AS request (store_id, request_id, count, item)
    LEFT JOIN stores AS store ON store.store_id = request.store_id
    LEFT JOIN allocations AS known ON known.request_id = request.request_id AND known.store_id = request.store_id
  ), fresh AS MATERIALIZED (
    SELECT item, store_id, request_id, count, has_store, prefix, suffix, min_digits,
      ledger_row.last_order_id
        + (sum(count) OVER (ORDER BY item ROWS UNBOUNDED PRECEDING) - count + 1) AS order_id,
      last_number
        + (sum(count) OVER (PARTITION BY store_id ORDER BY item ROWS UNBOUNDED PRECEDING) - count + 1) AS order_number
    FROM asked WHERE known_order_id IS NULL AND (has_store OR auto_create) AND count > 0
  ), numbered AS (
    INSERT INTO allocations
      (order_id, store_id, order_number, count, request_id, create_time_ms, prefix, suffix, min_digits)
    SELECT order_id, store_id, order_number, count, request_id, now_ms, prefix, suffix, min_digits FROM fresh
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
  SELECT item, 'new', order_id, order_number, count, now_ms, prefix, suffix, min_digits, last_order_id, version
  FROM fresh, ended
  UNION ALL
  SELECT item,
    CASE WHEN known_order_id IS NOT NULL THEN 'replay'
      WHEN has_store OR auto_create THEN 'exhausted' ELSE 'no store' END,
    known_order_id, known_order_number, known_count, known_create_time_ms, known_prefix, known_suffix,
    known_min_digits, last_order_id, version
  FROM asked, ended WHERE known_order_id IS NOT NULL OR NOT (has_store OR auto_create) OR count = 0;
END $$;

-- Makes a store; its values are null where one was there.
CREATE FUNCTION order_numbers.create_store(
  id bigint, first bigint, with_prefix text, with_suffix text, with_min_digits integer, expected text DEFAULT NULL
) RETURNS TABLE (
  store_id bigint, first_number bigint, last_number bigint, prefix text, suffix text,
  min_digits integer, create_time_ms bigint, ledger_end bigint, ledger_version bigint
) LANGUAGE plpgsql VOLATILE ${SETTINGS} AS $$
#variable_conflict use_column
DECLARE
  confirmed record;
BEGIN
  SELECT * INTO STRICT confirmed FROM confirm(expected);
  RETURN QUERY
  WITH store AS (
    INSERT INTO stores (store_id, first_number, last_number, prefix, suffix, min_digits, create_time_ms)
    VALUES (id, first, first - 1, with_prefix, with_suffix, with_min_digits,
      floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
    ON CONFLICT DO NOTHING RETURNING *
  )
  SELECT store.store_id, store.first_number, store.last_number, store.prefix,
    store.suffix, store.min_digits, store.create_time_ms, confirmed.last_order_id, confirmed.version
  FROM (SELECT 1) AS one LEFT JOIN store ON true;
END $$;

-- Changes a store; what is null stays. outcome is 'changed', 'no store' or 'first number fixed'.
CREATE FUNCTION order_numbers.change_store(
  id bigint, new_first bigint, new_prefix text, new_suffix text, new_min_digits integer, expected text DEFAULT NULL
) RETURNS TABLE (
  outcome text, store_id bigint, first_number bigint, last_number bigint, prefix text, suffix text,
  min_digits integer, create_time_ms bigint, ledger_end bigint, ledger_version bigint
) LANGUAGE plpgsql VOLATILE ${SETTINGS} AS $$
#variable_conflict use_column
DECLARE
  confirmed record;
  store stores%ROWTYPE;
  result text := 'changed';
BEGIN
  SELECT * INTO STRICT confirmed FROM confirm(expected);
  SELECT * INTO store FROM stores WHERE store_id = id;
  IF NOT FOUND THEN
    result := 'no store';
  ELSIF store.last_number >= store.first_number AND new_first <> store.first_number THEN
    result := 'first number fixed';
  ELSE
    UPDATE stores SET
      first_number = coalesce(new_first, first_number),
      last_number = CASE WHEN last_number >= first_number THEN last_number
        ELSE coalesce(new_first, first_number) - 1 END,
      prefix = coalesce(new_prefix, prefix),
      suffix = coalesce(new_suffix, suffix),
      min_digits = coalesce(new_min_digits, min_digits)
    WHERE store_id = id RETURNING * INTO store;
  END IF;
  RETURN QUERY SELECT result, store.store_id, store.first_number, store.last_number, store.prefix, store.suffix,
    store.min_digits, store.create_time_ms, confirmed.last_order_id, confirmed.version;
END $$;
`;
