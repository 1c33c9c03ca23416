import type Database from 'better-sqlite3';
import { INT64_MAX } from '../../../core/allocation.ts';
import type { DeclaredLoss } from '../../../core/verify/declared-losses.ts';
import type { RepeatedRequestId } from '../../../core/verify/index-check.ts';
import type { LedgerToVerify, PassRow, StoreRow } from '../../../core/verify/all-rows-check.ts';
import type { StoreCounter, StoreEntries } from '../../../core/verify/counters-check.ts';
import type { Indexes, OneStore, RequestIdPage, VerifySource } from '../../../core/verify/verify-source.ts';
import { pagesOf, requireProgress } from '../../../core/verify/verify-source.ts';

/** Each read is a short transaction, so that no checkpoint waits for a verification. */
const ROWS_PER_READ = 10_000;
const STORES_PER_READ = 1000;
/** Fewer, because all entries of each are counted. */
const COUNTED_STORES_PER_READ = 100;
const REQUEST_IDS_PER_READ = 50_000;
const BY_REQUEST_ID = 'allocations_by_request_id';
const BY_ORDER_NUMBER = 'allocations_by_order_number';
/** Below every 64-bit integer, damaged or not: SQLite compares those exactly with a double. */
const BELOW_ALL = -1e19;
/** Above every request_id, which is ASCII. */
const ABOVE_REQUEST_IDS = '\u{10ffff}';
const ROW = 'order_number AS orderNumber, order_id AS orderId, count, create_time_ms AS createTimeMs';

/** Reads the row of each entry itself, without the index. */
const ITS_ROW = 'LEFT JOIN allocations its NOT INDEXED ON its.order_id = entry.order_id';

/** The place at which a page begins. */
type Place = bigint | number;

/** What a verification reads of an SQLite file, up to the end that the ledger has now. */
export class SqliteVerifySource implements VerifySource {
  readonly ledger: LedgerToVerify;
  readonly #db: Database.Database;

  constructor(db: Database.Database) {
    this.#db = db;
    const ledger = db
      .prepare<[], Omit<LedgerToVerify, 'hasMoreAbove' | 'end'>>(
        `SELECT first_order_id AS firstOrderId, last_order_id AS lastOrderId,
           (SELECT count(*) FROM allocations WHERE order_id > ledger.last_order_id) AS rowsAbove FROM ledger`,
      )
      .get();
    if (!ledger) throw new Error('the table ledger is empty');
    this.ledger = { ...ledger, hasMoreAbove: false, end: ledger.lastOrderId };
  }

  async declaredLosses(): Promise<readonly DeclaredLoss[]> {
    const sql = 'SELECT store_id AS storeId, first, last FROM declared_losses ORDER BY store_id, first';
    return this.#db.prepare<[], DeclaredLoss>(sql).all();
  }

  async indexes(): Promise<Indexes> {
    const find = this.#db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?");
    const missing = [BY_REQUEST_ID, BY_ORDER_NUMBER].filter((name) => find.get(name) === undefined);
    return {
      faults: missing.map((name) => ({ name, fault: 'is missing' })),
      byOrderNumber: !missing.includes(BY_ORDER_NUMBER),
      byRequestId: !missing.includes(BY_REQUEST_ID),
    };
  }

  allocations(): AsyncIterable<readonly PassRow[]> {
    const select = this.#db.prepare<[Place, bigint, number], PassRow>(
      `SELECT store_id AS storeId, ${ROW} FROM allocations
       WHERE order_id > ? AND order_id <= ? AND ${this.#isWhole('allocations')} ORDER BY order_id LIMIT ?`,
    );
    const read = (after: Place) => select.all(after, this.ledger.end, ROWS_PER_READ);
    return pagesOf(ROWS_PER_READ, BELOW_ALL, ({ orderId }) => orderId, read);
  }

  stores(): AsyncIterable<readonly StoreCounter[]> {
    const select = this.#prepareStores();
    const read = (after: bigint) => select.all(after, INT64_MAX, STORES_PER_READ);
    return pagesOf(STORES_PER_READ, 0n, ({ storeId }) => storeId, read);
  }

  async store(storeId: bigint): Promise<OneStore> {
    const lastNumber = this.#db.prepare<[bigint], bigint>(rowsEndOf('?')).pluck().get(storeId);
    return { lastNumber, counter: this.#prepareStores().get(storeId - 1n, storeId, 1) };
  }

  storeRows(storeId: bigint): AsyncIterable<readonly StoreRow[]> {
    const select = this.#db.prepare<[bigint, Place, number], StoreRow>(
      `SELECT ${ROW} FROM allocations
       WHERE store_id = ? AND order_number > ? AND ${this.#isWhole('allocations')} ORDER BY order_number LIMIT ?`,
    );
    const read = (after: Place) => select.all(storeId, after, ROWS_PER_READ);
    return pagesOf(ROWS_PER_READ, BELOW_ALL, ({ orderNumber }) => orderNumber, read);
  }

  orderNumberEntries(): AsyncIterable<readonly StoreEntries[]> {
    const count = this.#db.prepare<[bigint, bigint, number], StoreEntries>(
      `SELECT entry.store_id AS storeId, count(*) AS entries,
         sum(${differs('order_number')}) AS misplaced
       FROM allocations entry INDEXED BY ${BY_ORDER_NUMBER} ${ITS_ROW}
       WHERE entry.store_id > ? AND entry.order_id <= ? GROUP BY entry.store_id ORDER BY entry.store_id LIMIT ?`,
    );
    const read = (after: bigint) => count.all(after, this.ledger.end, COUNTED_STORES_PER_READ);
    return pagesOf(COUNTED_STORES_PER_READ, 0n, ({ storeId }) => storeId, read);
  }

  async *requestIds(): AsyncGenerator<RequestIdPage> {
    const index = `allocations INDEXED BY ${BY_REQUEST_ID}`;
    const range = 'request_id > ? AND request_id <= ? AND order_id <= ?';
    const boundary = this.#db.prepare<[string, number], string>(
      `SELECT request_id FROM ${index} WHERE request_id > ? ORDER BY request_id LIMIT 1 OFFSET ?`,
    );
    const repeated = this.#db.prepare<[string, string, bigint], RepeatedRequestId>(
      `SELECT request_id AS requestId, store_id AS storeId, count(*) AS rows, min(order_id) AS least,
         max(order_id) AS greatest FROM ${index} WHERE ${range} GROUP BY request_id, store_id HAVING count(*) > 1`,
    );
    const count = this.#db.prepare<[string, string, bigint], Omit<RequestIdPage, 'repeated'>>(
      `SELECT count(*) AS entries, ifnull(sum(${differs('request_id')}), 0) AS misplaced
       FROM allocations entry INDEXED BY ${BY_REQUEST_ID} ${ITS_ROW}
       WHERE entry.request_id > ? AND entry.request_id <= ? AND entry.order_id <= ?`,
    );
    for (let after = ''; after !== ABOVE_REQUEST_IDS;) {
      const upTo = boundary.pluck().get(after, REQUEST_IDS_PER_READ) ?? ABOVE_REQUEST_IDS;
      requireProgress(after, upTo);
      const page = [after, upTo, this.ledger.end] as const;
      yield { repeated: repeated.all(...page), ...count.get(...page)! };
      after = upTo;
    }
  }

  #prepareStores(): Database.Statement<[bigint, bigint, number], StoreCounter> {
    return this.#db.prepare(
      `SELECT store_id AS storeId, first_number AS firstNumber, last_number AS lastNumber,
         (${rowsEndOf('stores.store_id')}) AS rowsEnd
       FROM stores WHERE store_id > ? AND store_id <= ? AND ${this.#isWhole('stores')} ORDER BY store_id LIMIT ?`,
    );
  }

  /** Always true: reads each row to its end, which SQLite refuses if a list of all columns would fail. */
  #isWhole(table: 'allocations' | 'stores'): string {
    // An older release has fewer columns.
    const sql = 'SELECT name FROM pragma_table_info(?) ORDER BY cid DESC LIMIT 1';
    return `typeof(${this.#db.prepare<[string], string>(sql).pluck().get(table)}) <> ''`;
  }
}

/** Whether an entry of an index, which begins with this column and store_id in some order, is not its row's. */
function differs(column: string): string {
  return `its.store_id IS NOT entry.store_id OR its.${column} IS NOT entry.${column}`;
}

function rowsEndOf(storeId: string): string {
  return `SELECT order_number + (count - 1) FROM allocations
    WHERE allocations.store_id = ${storeId} ORDER BY order_number DESC LIMIT 1`;
}
