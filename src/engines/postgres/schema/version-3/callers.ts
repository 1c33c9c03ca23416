// Released with version 3: never edited; add the next version.

/**
 * Who took each allocation. It is a table of its own because a column more in `allocations` would change the row type
 * that functions of versions 1 and 2 return: a server of the last release that waits in one of them while the column
 * is added gets "return type mismatch". A new table also needs no lock that a server, a dump or a standby can hold up.
 */
export const CALLERS = `
-- One row for each allocation that a named caller took; none means that the server was open, or of an older version.
CREATE TABLE order_numbers.callers (
  order_id bigint CONSTRAINT callers_by_order_id PRIMARY KEY,
  caller text NOT NULL CHECK (caller <> '')
);
`;
