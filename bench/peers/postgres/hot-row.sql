-- One function call per order, the usual way to number without holes: it locks the one row of the counter, and the
-- transaction holds the lock until its commit is on disk.

CREATE TABLE counter (last_order_id bigint NOT NULL);
INSERT INTO counter VALUES (0);

-- Half of each page stays free, so that a new version of a row finds room beside the old one.
CREATE TABLE stores (
  store_id bigint PRIMARY KEY,
  last_number bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE orders (
  order_id bigint PRIMARY KEY,
  store_id bigint NOT NULL,
  order_number bigint NOT NULL,
  request_id text NOT NULL,
  create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (request_id, store_id),
  UNIQUE (store_id, order_number)
);

-- A retry is found before the lock. Of two copies at once the second fails with a unique violation, which rolls its
-- numbers back, and finds the first when it is retried.
CREATE FUNCTION number_order(store bigint, request text, OUT given_order_id bigint, OUT given_number bigint)
LANGUAGE plpgsql AS $$
BEGIN
  SELECT order_id, order_number INTO given_order_id, given_number
    FROM orders WHERE request_id = request AND store_id = store;
  IF FOUND THEN RETURN; END IF;
  UPDATE counter SET last_order_id = last_order_id + 1 RETURNING last_order_id INTO given_order_id;
  INSERT INTO stores VALUES (store, 1)
    ON CONFLICT (store_id) DO UPDATE SET last_number = stores.last_number + 1
    RETURNING last_number INTO given_number;
  INSERT INTO orders (order_id, store_id, order_number, request_id)
    VALUES (given_order_id, store, given_number, request);
END $$;
