// Released with version 1: never edited; add the next version.

/** Left out if an administrator has created an empty schema. */
export const CREATE_SCHEMA = 'CREATE SCHEMA order_numbers;';

/**
 * The tables: those of SQLite with one more number. `version` rises with every transaction that writes anything, so
 * that a reader can tell whether what it saw is confirmed (ledger-position.ts).
 */
export const TABLES = `
${CREATE_SCHEMA}

-- One row: the counter of the sequence over all stores. Every transaction that writes locks it first, which puts all
-- of them in one order and makes a deadlock impossible. The page stays almost empty, so that its many versions
-- are pruned where they are.
CREATE TABLE order_numbers.ledger (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  ledger_id text NOT NULL,
  first_order_id bigint NOT NULL CHECK (first_order_id >= 1),
  last_order_id bigint NOT NULL CHECK (last_order_id >= first_order_id - 1),
  last_create_time_ms bigint NOT NULL,
  version bigint NOT NULL,
  -- Of the primary on which a session was opened last: what a reader saw on an older one may be gone.
  timeline integer NOT NULL DEFAULT 0,
  -- The ledger that is being copied into this one; not null means that it must not number yet.
  moving_from text
) WITH (fillfactor = 10);

-- One row a store: its counter and its style.
CREATE TABLE order_numbers.stores (
  store_id bigint PRIMARY KEY CHECK (store_id >= 1),
  first_number bigint NOT NULL CHECK (first_number >= 1),
  last_number bigint NOT NULL CHECK (last_number >= first_number - 1),
  prefix text NOT NULL DEFAULT '',
  suffix text NOT NULL DEFAULT '',
  min_digits integer NOT NULL DEFAULT 0,
  create_time_ms bigint NOT NULL
) WITH (fillfactor = 50);

-- One row an allocation. Nothing is ever updated or deleted here.
CREATE TABLE order_numbers.allocations (
  order_id bigint CONSTRAINT allocations_by_order_id PRIMARY KEY CHECK (order_id >= 1),
  store_id bigint NOT NULL,
  order_number bigint NOT NULL,
  count integer NOT NULL CHECK (count >= 1),
  request_id text COLLATE "C" NOT NULL,
  create_time_ms bigint NOT NULL,
  prefix text NOT NULL,
  suffix text NOT NULL,
  min_digits integer NOT NULL,
  -- request_id first: time-ordered keys of all stores then share the index's last page.
  CONSTRAINT allocations_by_request_id UNIQUE (request_id, store_id),
  CONSTRAINT allocations_by_order_number UNIQUE (store_id, order_number)
);

-- Ranges given up by a deliberate return to an older copy; no store_id means order_ids.
CREATE TABLE order_numbers.declared_losses (
  store_id bigint,
  first bigint NOT NULL,
  last bigint NOT NULL CHECK (last >= first),
  declare_time_ms bigint NOT NULL
);

INSERT INTO order_numbers.ledger (ledger_id, first_order_id, last_order_id, last_create_time_ms, version)
VALUES (gen_random_uuid()::text, 1, 0, 0, 0);
`;
