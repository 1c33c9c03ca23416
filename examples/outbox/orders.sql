CREATE TABLE orders (
  -- The request_id: it is committed with the order, before the first attempt to number it.
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  store_id bigint NOT NULL,
  total_cents bigint NOT NULL,
  order_id bigint UNIQUE,
  order_number bigint,
  display_number text,
  -- A refused order is tried again after this.
  number_after timestamptz NOT NULL DEFAULT now(),
  UNIQUE (store_id, order_number)
);
CREATE INDEX orders_to_number ON orders (number_after) WHERE order_number IS NULL;
