import assert from 'node:assert/strict';
import { copyFileSync, existsSync } from 'node:fs';
import type Database from 'better-sqlite3';
import * as fc from 'fast-check';
import type { AllocationRequest } from '../../../src/core/allocation.ts';
import { BatchTransaction } from '../../../src/engines/sqlite/statements/batch-transaction.ts';
import { openWriteConnection } from '../../../src/engines/sqlite/file/connection.ts';
import { migrate } from '../../../src/engines/sqlite/file/schema.ts';
import { LedgerModel } from '../../support/engines/ledger-model.ts';

/** Statements that make the next transaction fail, by the place where it does. */
const FAILURES = {
  'a failing row':
    "CREATE TEMP TRIGGER planted BEFORE INSERT ON main.allocations BEGIN SELECT RAISE(ABORT, 'planted'); END",
  "a store's counter":
    "CREATE TEMP TRIGGER planted BEFORE UPDATE ON main.stores BEGIN SELECT RAISE(ABORT, 'planted'); END",
  "the ledger's counter":
    "CREATE TEMP TRIGGER planted BEFORE UPDATE ON main.ledger BEGIN SELECT RAISE(ABORT, 'planted'); END",
} as const;

export type LedgerStep =
  | { readonly do: 'commit'; readonly batch: readonly AllocationRequest[] }
  | { readonly do: 'fail'; readonly at: keyof typeof FAILURES; readonly batch: readonly AllocationRequest[] }
  | { readonly do: 'kill' | 'checkpoint' };

/** Few keys, so that many are replays; the keys of one batch are distinct, as the allocator ensures. */
const BATCH = fc.uniqueArray(
  fc.record({
    storeId: fc.constantFrom(7n, 8n, 9007199254740993n),
    requestId: fc.nat(25).map((number) => `r${number}`),
    count: fc.integer({ min: 1, max: 4 }),
    caller: fc.constantFrom('', 'checkout'),
  }),
  { minLength: 1, maxLength: 8, selector: ({ storeId, requestId }) => `${storeId} ${requestId}` },
);
export const LEDGER_STEPS = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant('commit' as const), batch: BATCH }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('fail' as const),
        at: fc.constantFrom(...(Object.keys(FAILURES) as (keyof typeof FAILURES)[])),
        batch: BATCH,
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('kill' as const, 'checkpoint' as const) }) },
  ),
  { minLength: 3, maxLength: 25, size: 'max' },
);

/** The statements of the engine on a file, beside a model. A kill goes on with the files as they are at that moment. */
export class RealLedger {
  readonly #model = new LedgerModel();
  readonly #keepsWal: boolean;
  readonly #name: string;
  #path: string;
  #db: Database.Database;
  #batches: BatchTransaction;
  #lives = 0;

  constructor(name: string, keepsWal: boolean) {
    this.#name = name;
    this.#keepsWal = keepsWal;
    this.#path = `${name}.db`;
    this.#db = openWriteConnection(this.#path);
    migrate(this.#db);
    // The schema is in the database itself; what comes after it is in the WAL first.
    this.#db.pragma('wal_checkpoint(TRUNCATE)');
    this.#batches = new BatchTransaction(this.#db, true);
  }

  run(steps: readonly LedgerStep[]): { injected: string[]; asked: number } {
    const injected: string[] = [];
    let asked = 0;
    for (const step of steps) {
      if (step.do === 'commit') {
        asked += step.batch.length;
        assert.partialDeepStrictEqual(
          this.#commit(step.batch),
          step.batch.map((request) => this.#model.allocate(request)),
        );
      } else if (step.do === 'fail') {
        if (this.#fail(step)) injected.push(step.at);
      } else {
        injected.push(step.do);
        if (step.do === 'kill') this.#kill();
        else this.#db.pragma('wal_checkpoint(PASSIVE)');
      }
    }
    const rows = this.#db
      .prepare('SELECT order_id AS orderId, request_id AS requestId FROM allocations ORDER BY 1')
      .all();
    const expected = [...this.#model.allocations.values()];
    assert.deepEqual(
      rows,
      expected.map(({ orderId, requestId }) => ({ orderId, requestId })),
    );
    return { injected, asked };
  }

  close(): void {
    this.#db.close();
  }

  #commit(batch: readonly AllocationRequest[]) {
    return this.#batches.commit(batch).outcomes;
  }

  /** A transaction that fails leaves nothing behind. Returns false if it did not come to the place. */
  #fail({ at, batch }: LedgerStep & { readonly do: 'fail' }): boolean {
    this.#db.exec(FAILURES[at]);
    const isKnown = (request: AllocationRequest) =>
      this.#model.allocations.has(`${request.storeId} ${request.requestId}`);
    try {
      this.#commit(batch);
      // A batch of replays alone writes nothing; one of new stores changes no counter of a store.
      for (const request of batch) this.#model.allocate(request);
      if (at !== "a store's counter") assert.ok(batch.every(isKnown));
      return false;
    } catch (error) {
      assert.match(String(error), /planted/);
      assert.equal(this.#db.inTransaction, false);
      return true;
    } finally {
      this.#db.exec('DROP TRIGGER planted');
    }
  }

  #kill(): void {
    const next = `${this.#name}-${++this.#lives}.db`;
    copyFileSync(this.#path, next);
    if (this.#keepsWal && existsSync(`${this.#path}-wal`)) copyFileSync(`${this.#path}-wal`, `${next}-wal`);
    this.#db.close();
    this.#path = next;
    this.#db = openWriteConnection(next);
    this.#batches = new BatchTransaction(this.#db, true);
  }
}
