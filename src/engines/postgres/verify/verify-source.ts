import type { QueryResultRow } from 'pg';
import { INT64_MAX, INT64_MIN } from '../../../core/allocation.ts';
import { OrderError } from '../../../core/errors.ts';
import type { DeclaredLoss } from '../../../core/verify/declared-losses.ts';
import type { RepeatedRequestId } from '../../../core/verify/index-check.ts';
import type { LedgerToVerify, PassRow, StoreRow } from '../../../core/verify/all-rows-check.ts';
import type { StoreCounter, StoreEntries } from '../../../core/verify/counters-check.ts';
import type { Indexes, OneStore, RequestIdPage, VerifySource } from '../../../core/verify/verify-source.ts';
import { pagesOf } from '../../../core/verify/verify-source.ts';
import type { Query } from '../statements/rows.ts';

const ROWS_PER_READ = 10_000;
const STORES_PER_READ = 1000;
/** Rows above the counter that are counted, at most. */
const MAX_ROWS_ABOVE = 1_000_000;

const COUNTER = 'store_id AS "storeId", first_number AS "firstNumber", last_number AS "lastNumber"';
const ROW = 'order_number AS "orderNumber", order_id AS "orderId", count, create_time_ms AS "createTimeMs"';

/** A row with these columns. */
type RowOf<Column extends string> = Readonly<Record<Column, bigint>>;
type EntriesRow = StoreEntries & RowOf<'lastNumber' | 'read'>;
type KeyRow = RepeatedRequestId & RowOf<'entries' | 'keys'>;
type IndexRow = { readonly name: string; readonly fault: string | null; readonly is_complete: boolean };

/**
 * The reads of a verification of a PostgreSQL database, up to an order_id that the ledger has reached. Each read is a
 * transaction of its own, and rejects with SQLSTATE 57P03 if the server is behind or has another ledger.
 */
export class PostgresVerifySource implements VerifySource {
  readonly ledger: LedgerToVerify;
  readonly #query: Query;
  readonly #ledgerId: string;

  static async open(query: Query, end: bigint): Promise<PostgresVerifySource> {
    const [row] = await query<LedgerToVerify & { readonly ledgerId: string }>(
      `SELECT ledger_id AS "ledgerId", first_order_id AS "firstOrderId", last_order_id AS "lastOrderId",
         rows_above AS "rowsAbove", rows_above >= $1 AS "hasMoreAbove" FROM order_numbers.verify_ledger($1)`,
      [MAX_ROWS_ABOVE],
    );
    if (!row) throw new OrderError('LEDGER_DAMAGED', 'the table ledger is empty; put a good copy back');
    return new PostgresVerifySource(query, row.ledgerId, { ...row, end });
  }

  private constructor(query: Query, ledgerId: string, ledger: LedgerToVerify) {
    this.#query = query;
    this.#ledgerId = ledgerId;
    this.ledger = ledger;
  }

  declaredLosses(): Promise<readonly DeclaredLoss[]> {
    return this.#read(`store_id AS "storeId", first, last`, 'list_declared_losses');
  }

  async indexes(): Promise<Indexes> {
    const rows = await this.#read<IndexRow>('*', 'verify_indexes');
    const isComplete = (index: string) => rows.some(({ name, is_complete }) => name === index && is_complete);
    return {
      faults: rows.flatMap(({ name, fault }) => (fault === null ? [] : [{ name, fault }])),
      byOrderNumber: isComplete('allocations_by_order_number'),
      byRequestId: isComplete('allocations_by_request_id'),
    };
  }

  allocations(): AsyncIterable<readonly PassRow[]> {
    const read = (after: bigint) => {
      const least = after === INT64_MIN ? 'last_up_to_order_id($3)' : undefined;
      const values = [after, this.ledger.end, ROWS_PER_READ];
      return this.#readAfter<PassRow>(`store_id AS "storeId", ${ROW}`, 'verify_allocations', values, least);
    };
    return pagesOf(ROWS_PER_READ, INT64_MIN, ({ orderId }) => orderId, read);
  }

  stores({ byOrderNumber }: Indexes): AsyncIterable<readonly StoreCounter[]> {
    const columns = byOrderNumber ? `${COUNTER}, rows_end AS "rowsEnd"` : COUNTER;
    const read = (after: bigint) =>
      this.#read<StoreCounter>(columns, 'verify_stores', after, INT64_MAX, STORES_PER_READ, byOrderNumber);
    return pagesOf(STORES_PER_READ, 0n, ({ storeId }) => storeId, read);
  }

  async store(storeId: bigint): Promise<OneStore> {
    const lastNumber = 'order_number + (count - 1) AS "lastNumber"';
    const [row] = await this.#read<RowOf<'lastNumber'>>(lastNumber, 'last_up_to_order_number', storeId, INT64_MAX);
    const columns = `${COUNTER}, rows_end AS "rowsEnd"`;
    const [counter] = await this.#read<StoreCounter>(columns, 'verify_stores', storeId - 1n, storeId, 1, true);
    return { lastNumber: row?.lastNumber, counter };
  }

  storeRows(storeId: bigint): AsyncIterable<readonly StoreRow[]> {
    const read = (after: bigint) => {
      const least = after === INT64_MIN ? 'last_up_to_order_number($3, $4)' : undefined;
      return this.#readAfter<StoreRow>(ROW, 'verify_store_rows', [storeId, after, ROWS_PER_READ], least);
    };
    return pagesOf(ROWS_PER_READ, INT64_MIN, ({ orderNumber }) => orderNumber, read);
  }

  async *orderNumberEntries(): AsyncGenerator<readonly StoreEntries[]> {
    const columns = 'store_id AS "storeId", last_number AS "lastNumber", entries, entries_read AS read';
    for (let after = [0n, INT64_MIN]; ;) {
      const values = [...after, this.ledger.end, ROWS_PER_READ];
      const stores = await this.#read<EntriesRow>(columns, 'verify_order_numbers', ...values);
      yield stores;
      const last = stores.at(-1);
      // Fewer: the end of the index. Rows that arrive meanwhile must not keep the reading busy forever.
      if (!last || stores.reduce((sum, { read }) => sum + read, 0n) < ROWS_PER_READ) return;
      after = [last.storeId, last.lastNumber];
    }
  }

  async *requestIds(): AsyncGenerator<RequestIdPage> {
    const columns = `request_id AS "requestId", store_id AS "storeId", entries AS rows, first_row AS least,
      last_row AS greatest, entries_so_far AS entries, keys`;
    for (let after: readonly unknown[] = ['', INT64_MIN]; ;) {
      const keys = await this.#read<KeyRow>(columns, 'verify_request_ids', ...after, this.ledger.end, ROWS_PER_READ);
      const last = keys.at(-1);
      yield { repeated: keys.filter(({ rows }) => rows > 1n), entries: last?.entries ?? 0n, misplaced: undefined };
      // Fewer: the end of the index, as above.
      if (!last || last.keys < ROWS_PER_READ) return;
      after = [last.requestId, last.storeId];
    }
  }

  #read<Row extends QueryResultRow>(columns: string, name: string, ...values: readonly unknown[]): Promise<Row[]> {
    return this.#readAfter(columns, name, values);
  }

  /** Rows of a function of the schema; with `least` also that one's row, which pages above the lowest place leave out. */
  #readAfter<Row extends QueryResultRow>(
    columns: string,
    name: string,
    values: readonly unknown[],
    least?: string,
  ): Promise<Row[]> {
    const select = (call: string) =>
      `SELECT ${columns} FROM order_numbers.${call} WHERE (SELECT order_numbers.require_ledger($1, $2))`;
    const page = select(`${name}(${values.map((_, i) => `$${i + 3}`).join(', ')})`);
    const text = least === undefined ? page : `${select(least)} UNION ALL ${page}`;
    return this.#query(text, [this.#ledgerId, this.ledger.end, ...values]);
  }
}
