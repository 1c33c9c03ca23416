/**
 * The statements that a server of the last release (schema version 2) sends, as it sends them: an upgrade happens while
 * such servers run. They are never edited, also when the server's own change.
 */

const MAKE_DURABLE = `WITH durable AS MATERIALIZED (
  SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true), set_config('client_min_messages', 'warning', true),
    pg_backend_pid() AS backend
)`;

export const ALLOCATE = `${MAKE_DURABLE}
  SELECT item,
    CASE WHEN is_last THEN backend END, CASE WHEN is_last THEN ledger_end END, CASE WHEN is_last THEN ledger_version END,
    outcome, order_id, order_number, count, create_time_ms, prefix, suffix, min_digits
  FROM durable, order_numbers.allocate($1, $2, $3, $4, $5), LATERAL (SELECT item = cardinality($1)) AS place (is_last)`;

/** The rows that a function of the schema returns, and the end of the ledger at the same moment. */
const find = (call: string) => `SELECT ledger.ledger_id, ledger.last_order_id, ledger.version, ledger.timeline, found.*
       FROM order_numbers.ledger_end() AS ledger LEFT JOIN order_numbers.${call} AS found ON true`;

/** One page of a verification. */
const page = (columns: string, call: string) =>
  `SELECT ${columns} FROM order_numbers.${call} WHERE (SELECT order_numbers.require_ledger($1, $2))`;

const ROW = 'order_number AS "orderNumber", order_id AS "orderId", count, create_time_ms AS "createTimeMs"';
const COUNTER = 'store_id AS "storeId", first_number AS "firstNumber", last_number AS "lastNumber"';
const KEYS = `store_id AS "storeId", entries AS rows, first_row AS least,
      last_row AS greatest, entries_so_far AS entries, keys`;

/** What reads: a statement, and values for a ledger that has the stores 1 to 3. */
export const READS: readonly (readonly [text: string, valuesOf: (ledgerId: string) => readonly unknown[]])[] = [
  ['SELECT order_numbers.schema_version() AS version', () => []],
  ['SELECT * FROM order_numbers.ledger_end()', () => []],
  [find('list_stores($1, $2, $3)'), () => [0, 9, 10]],
  [find('by_request_id($1, $2)'), () => [1, 'before-0']],
  [find('last_up_to_order_id($1)'), () => [2]],
  [find('last_up_to_order_number($1, $2)'), () => [1, 101]],
  [find('list_allocations($1, $2, $3, $4)'), () => [0, 9, 5, false]],
  [find('list_allocations($1, $2, $3, $4)'), () => [0, 9, 5, true]],
  [find('list_store_allocations($1, $2, $3, $4, $5)'), () => [2, 0, 9, 5, false]],
  [find('list_store_allocations($1, $2, $3, $4, $5)'), () => [2, 0, 9, 5, true]],
  [
    `SELECT ledger_id AS "ledgerId", first_order_id AS "firstOrderId", last_order_id AS "lastOrderId",
         rows_above AS "rowsAbove", rows_above >= $1 AS "hasMoreAbove" FROM order_numbers.verify_ledger($1)`,
    () => [1_000_000],
  ],
  [page('store_id AS "storeId", first, last', 'list_declared_losses()'), (id) => [id, 3]],
  [page('*', 'verify_indexes()'), (id) => [id, 3]],
  [
    `${page(`store_id AS "storeId", ${ROW}`, 'last_up_to_order_id($3)')} UNION ALL ` +
      page(`store_id AS "storeId", ${ROW}`, 'verify_allocations($3, $4, $5)'),
    (id) => [id, 3, 0, 9, 10_000],
  ],
  [page(`${COUNTER}, rows_end AS "rowsEnd"`, 'verify_stores($3, $4, $5, $6)'), (id) => [id, 3, 0, 9, 1000, true]],
  [
    `${page(ROW, 'last_up_to_order_number($3, $4)')} UNION ALL ${page(ROW, 'verify_store_rows($3, $4, $5)')}`,
    (id) => [id, 3, 1, 0, 10_000],
  ],
  [
    page(
      'store_id AS "storeId", last_number AS "lastNumber", entries, entries_read AS read',
      'verify_order_numbers($3, $4, $5, $6)',
    ),
    (id) => [id, 3, 0, 0, 9, 10_000],
  ],
  [page(`request_id AS "requestId", ${KEYS}`, 'verify_request_ids($3, $4, $5, $6)'), (id) => [id, 3, '', 0, 9, 10_000]],
];

/** What writes beside batches: a statement, and its values but for the last, which is the ledger's id. */
export const WRITES: readonly (readonly [text: string, values: readonly unknown[]])[] = [
  [`${MAKE_DURABLE} SELECT * FROM durable, order_numbers.confirm($1)`, []],
  [`${MAKE_DURABLE} SELECT * FROM durable, order_numbers.create_store($1, $2, $3, $4, $5, $6)`, [3, 100, '', '', 0]],
  [
    `${MAKE_DURABLE} SELECT * FROM durable, order_numbers.change_store($1, $2, $3, $4, $5, $6)`,
    [3, null, 'A-', null, null],
  ],
];
