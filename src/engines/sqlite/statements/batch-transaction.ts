import type Database from 'better-sqlite3';
import type { Allocation, AllocationRequest } from '../../../core/allocation.ts';
import { DEFAULT_FIRST_NUMBER, INT64_MAX } from '../../../core/allocation.ts';
import { LedgerCounter, movedAway } from '../file/ledger-row.ts';
import type { AllocationRow } from './rows.ts';
import { toAllocation } from './rows.ts';

/** The outcome of one request; 'exhausted' if a sequence is at its end. */
export type BatchOutcome =
  { readonly allocation: Allocation; readonly replayed: boolean } | 'exhausted' | 'store not found';

/** A batch that is on disk. */
export interface CommittedBatch {
  readonly outcomes: BatchOutcome[];
  /** The counter of the sequence over all stores, as committed. */
  readonly lastOrderId: bigint;
  /** Duration of the transaction in milliseconds, and of its COMMIT, which waits for the disk. */
  readonly ms: number;
  readonly syncMs: number;
}

interface StoreCounter {
  readonly isNew: boolean;
  readonly before: bigint;
  lastNumber: bigint;
  readonly prefix: string;
  readonly suffix: string;
  readonly minDigits: number;
}

/**
 * The one transaction that numbers. It reads the counters, writes a row for each request that has none yet, finds the
 * rows of the others, and writes each changed counter once. It keeps nothing in memory. Prepared once per connection.
 */
export class BatchTransaction {
  readonly #db: Database.Database;
  readonly #counter: LedgerCounter;
  readonly #statements: Statements;
  readonly #autoCreateStores: boolean;

  constructor(db: Database.Database, autoCreateStores: boolean) {
    this.#db = db;
    this.#counter = new LedgerCounter(db);
    this.#statements = prepare(db);
    this.#autoCreateStores = autoCreateStores;
  }

  /** Commits one batch. It is on disk when this returns; when this throws, that is unknown. */
  commit(batch: readonly AllocationRequest[]): CommittedBatch {
    const { begin, commit, rollback } = this.#statements;
    const began = performance.now();
    begin.run();
    try {
      const numbered = this.#number(batch);
      const wrote = performance.now();
      commit.run();
      const ended = performance.now();
      return { ...numbered, ms: ended - began, syncMs: ended - wrote };
    } catch (error) {
      if (this.#db.inTransaction) rollback.run();
      throw error;
    }
  }

  #number(batch: readonly AllocationRequest[]): Pick<CommittedBatch, 'outcomes' | 'lastOrderId'> {
    const ledger = this.#counter.read();
    if (ledger.movedTo) throw movedAway(this.#db.name, ledger.movedTo, 'serve that one');
    const createTimeMs = Math.max(Date.now(), Number(ledger.lastCreateTimeMs));
    const stores = new Map<bigint, StoreCounter>();
    let { lastOrderId } = ledger;

    const outcomes = batch.map((request): BatchOutcome => {
      const store = this.#storeCounter(stores, request.storeId);
      if (!store) return 'store not found';
      const count = BigInt(request.count);
      if (lastOrderId > INT64_MAX - count || store.lastNumber > INT64_MAX - count) {
        return this.#replay(request) ?? 'exhausted';
      }
      const allocation: Allocation = {
        orderId: lastOrderId + 1n,
        storeId: request.storeId,
        orderNumber: store.lastNumber + 1n,
        count: request.count,
        requestId: request.requestId,
        createTimeMs,
        prefix: store.prefix,
        suffix: store.suffix,
        minDigits: store.minDigits,
        caller: request.caller,
      };
      // Most requests are new. The insert itself finds out, with one lookup in the index.
      const known = this.#insert(allocation) ? undefined : this.#replay(request);
      if (known) return known;
      lastOrderId += count;
      store.lastNumber += count;
      return { allocation, replayed: false };
    });

    for (const [storeId, store] of stores) {
      if (store.lastNumber === store.before) continue;
      if (store.isNew) this.#statements.insertStore.run(storeId, DEFAULT_FIRST_NUMBER, store.lastNumber, createTimeMs);
      else this.#statements.updateStore.run(store.lastNumber, storeId);
    }
    if (lastOrderId !== ledger.lastOrderId) this.#counter.advance(lastOrderId, createTimeMs);
    return { outcomes, lastOrderId };
  }

  /** Undefined for a store that does not exist, unless its first allocation creates it. */
  #storeCounter(stores: Map<bigint, StoreCounter>, storeId: bigint): StoreCounter | undefined {
    let store = stores.get(storeId);
    if (store) return store;
    const row = this.#statements.selectStore.get(storeId);
    if (!row && !this.#autoCreateStores) return undefined;
    const before = row ? row.last_number : DEFAULT_FIRST_NUMBER - 1n;
    store = {
      isNew: row === undefined,
      before,
      lastNumber: before,
      prefix: row?.prefix ?? '',
      suffix: row?.suffix ?? '',
      minDigits: Number(row?.min_digits ?? 0),
    };
    stores.set(storeId, store);
    return store;
  }

  /** The earlier allocation of the request, if any. */
  #replay({ storeId, requestId }: AllocationRequest): BatchOutcome | undefined {
    const known = this.#statements.selectByRequestId.get(storeId, requestId);
    return known && { allocation: toAllocation(known), replayed: true };
  }

  /** Returns false, and does nothing, if the request has a row. */
  #insert(a: Allocation): boolean {
    const { insertAllocation, insertPlain } = this.#statements;
    if (isPlain(a)) {
      return insertPlain.run(a.orderId, a.storeId, a.orderNumber, a.requestId, a.createTimeMs).changes === 1;
    }
    const { changes } = insertAllocation.run(
      a.orderId,
      a.storeId,
      a.orderNumber,
      a.count,
      a.requestId,
      a.createTimeMs,
      a.prefix,
      a.suffix,
      a.minDigits,
      a.caller,
    );
    return changes === 1;
  }
}

/** Whether it is one number without a style or a caller, as most are: an insert that binds half the columns costs half. */
function isPlain({ count, prefix, suffix, minDigits, caller }: Allocation): boolean {
  return count === 1 && prefix === '' && suffix === '' && minDigits === 0 && caller === '';
}

type Statements = ReturnType<typeof prepare>;

function prepare(db: Database.Database) {
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
    selectByRequestId: db.prepare<[bigint, string], AllocationRow>(
      'SELECT * FROM allocations WHERE store_id = ? AND request_id = ?',
    ),
    selectStore: db.prepare<[bigint], { last_number: bigint; prefix: string; suffix: string; min_digits: bigint }>(
      'SELECT last_number, prefix, suffix, min_digits FROM stores WHERE store_id = ?',
    ),
    insertAllocation: db.prepare(insertInto('?, ?, ?, ?, ?, ?, ?, ?, ?, ?')),
    insertPlain: db.prepare(insertInto("?, ?, ?, 1, ?, ?, '', '', 0, ''")),
    insertStore: db.prepare(
      'INSERT INTO stores (store_id, first_number, last_number, create_time_ms) VALUES (?, ?, ?, ?)',
    ),
    updateStore: db.prepare('UPDATE stores SET last_number = ? WHERE store_id = ?'),
  };
}

function insertInto(values: string): string {
  return `INSERT INTO allocations
            (order_id, store_id, order_number, count, request_id, create_time_ms, prefix, suffix, min_digits, caller)
          VALUES (${values})
          ON CONFLICT (request_id, store_id) DO NOTHING`;
}
