-- What django-sequences has: a row per sequence, updated in the transaction that stores the order
-- (https://github.com/aaugustin/django-sequences). Two sequences per order, because an order has two numbers.

CREATE TABLE sequences_sequence (
  name varchar(100) PRIMARY KEY,
  last bigint NOT NULL CHECK (last >= 0)
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
