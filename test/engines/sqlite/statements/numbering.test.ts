import { afterEach, describe, expect, it, vi } from 'vitest';
import type { AllocationRequest } from '../../../../src/core/allocation.ts';
import { INT64_MAX } from '../../../../src/core/allocation.ts';
import { BatchTransaction } from '../../../../src/engines/sqlite/statements/batch-transaction.ts';
import { memoryDatabase } from './memory-database.ts';

const NOW = 1_700_000_000_000;

afterEach(() => {
  vi.restoreAllMocks();
});

function ask(storeId: bigint, requestId: string, count = 1, caller = ''): AllocationRequest {
  return { storeId, requestId, count, caller };
}

describe('P1 P2: a batch', () => {
  it('numbers both sequences, and writes each row and each counter', () => {
    vi.spyOn(Date, 'now').mockReturnValue(NOW);
    const db = memoryDatabase();
    db.exec(`INSERT INTO stores (store_id, first_number, last_number, prefix, suffix, min_digits, create_time_ms)
      VALUES (8, 500, 499, 'A-', '/7', 6, 5)`);
    const batch = [ask(7n, 'a'), ask(8n, 'b', 3, 'shop'), ask(7n, 'c', 2), ask(8n, 'd')];
    const { outcomes, lastOrderId } = new BatchTransaction(db, true).commit(batch);
    const plain = { prefix: '', suffix: '', minDigits: 0, createTimeMs: NOW };
    const styled = { prefix: 'A-', suffix: '/7', minDigits: 6, createTimeMs: NOW };
    expect(outcomes).toEqual([
      { replayed: false, allocation: { ...batch[0], ...plain, orderId: 1n, orderNumber: 100n } },
      { replayed: false, allocation: { ...batch[1], ...styled, orderId: 2n, orderNumber: 500n } },
      { replayed: false, allocation: { ...batch[2], ...plain, orderId: 5n, orderNumber: 101n } },
      { replayed: false, allocation: { ...batch[3], ...styled, orderId: 7n, orderNumber: 503n } },
    ]);
    expect(lastOrderId).toBe(7n);
    expect(db.prepare('SELECT last_order_id, last_create_time_ms FROM ledger').all()).toEqual([
      { last_order_id: 7n, last_create_time_ms: BigInt(NOW) },
    ]);
    expect(
      db.prepare('SELECT store_id, first_number, last_number, create_time_ms FROM stores ORDER BY 1').raw().all(),
    ).toEqual([
      [7n, 100n, 102n, BigInt(NOW)],
      [8n, 500n, 503n, 5n],
    ]);
    // What was written is what was answered.
    const again = new BatchTransaction(db, true).commit(batch).outcomes;
    expect(again.map((outcome) => (outcome as { allocation: unknown }).allocation)).toEqual(
      outcomes.map((outcome) => (outcome as { allocation: unknown }).allocation),
    );
    expect(again).toMatchObject(batch.map(() => ({ replayed: true })));
  });

  it('P5: of replays writes nothing, not even a time', () => {
    const now = vi.spyOn(Date, 'now').mockReturnValue(NOW);
    const statements: string[] = [];
    const db = memoryDatabase((sql) => statements.push(sql));
    const batches = new BatchTransaction(db, true);
    batches.commit([ask(7n, 'a'), ask(8n, 'b')]);
    statements.length = 0;
    now.mockReturnValue(NOW + 1);
    expect(batches.commit([ask(7n, 'a'), ask(8n, 'b')])).toMatchObject({
      lastOrderId: 2n,
      outcomes: [{ replayed: true, allocation: { createTimeMs: NOW } }, { replayed: true }],
    });
    expect(statements.filter((sql) => /UPDATE|INTO stores/.test(sql))).toEqual([]);
  });

  it('never falls back in time', () => {
    const now = vi.spyOn(Date, 'now').mockReturnValue(NOW);
    const batches = new BatchTransaction(memoryDatabase(), true);
    batches.commit([ask(7n, 'a')]);
    now.mockReturnValue(NOW - 1000);
    expect(batches.commit([ask(7n, 'b')]).outcomes).toMatchObject([{ allocation: { createTimeMs: NOW } }]);
    now.mockReturnValue(NOW + 1000);
    expect(batches.commit([ask(7n, 'c')]).outcomes).toMatchObject([{ allocation: { createTimeMs: NOW + 1000 } }]);
  });

  it('tells how long it took, and how long its COMMIT', () => {
    const times = [10, 25, 32];
    vi.spyOn(performance, 'now').mockImplementation(() => times.shift() ?? NaN);
    expect(new BatchTransaction(memoryDatabase(), true).commit([ask(7n, 'a')])).toMatchObject({ ms: 22, syncMs: 7 });
  });
});

describe('P6: a store', () => {
  it('that does not exist is created by its first allocation, or refused', () => {
    const db = memoryDatabase();
    const strict = new BatchTransaction(db, false);
    expect(strict.commit([ask(7n, 'a'), ask(7n, 'b')])).toMatchObject({
      outcomes: ['store not found', 'store not found'],
      lastOrderId: 0n,
    });
    expect(db.prepare('SELECT * FROM stores').all()).toEqual([]);
    new BatchTransaction(db, true).commit([ask(7n, 'a')]);
    expect(strict.commit([ask(8n, 'a'), ask(7n, 'b'), ask(7n, 'a')]).outcomes).toMatchObject([
      'store not found',
      { replayed: false, allocation: { orderId: 2n, orderNumber: 101n } },
      { replayed: true, allocation: { orderId: 1n } },
    ]);
  });
});

describe('P1 P2: at the end of a sequence', () => {
  it('of all stores a run that fits is numbered, and one that does not is refused', () => {
    const db = memoryDatabase();
    const batches = new BatchTransaction(db, true);
    batches.commit([ask(7n, 'early')]);
    db.prepare('UPDATE ledger SET last_order_id = ?').run(INT64_MAX - 3n);
    const { outcomes, lastOrderId } = batches.commit([
      ask(7n, 'too long', 4),
      ask(7n, 'fits', 3),
      ask(7n, 'none left'),
      ask(7n, 'early'),
      ask(7n, 'fits', 3),
    ]);
    expect(outcomes).toMatchObject([
      'exhausted',
      { replayed: false, allocation: { orderId: INT64_MAX - 2n, orderNumber: 101n } },
      'exhausted',
      { replayed: true, allocation: { orderId: 1n } },
      { replayed: true, allocation: { orderId: INT64_MAX - 2n } },
    ]);
    expect(lastOrderId).toBe(INT64_MAX);
  });

  it('of a store a run that fits is numbered, and one that does not is refused', () => {
    const db = memoryDatabase();
    db.prepare(`INSERT INTO stores (store_id, first_number, last_number, create_time_ms) VALUES (7, ?, ?, 5)`).run(
      INT64_MAX - 2n,
      INT64_MAX - 3n,
    );
    const { outcomes, lastOrderId } = new BatchTransaction(db, true).commit([
      ask(7n, 'too long', 4),
      ask(7n, 'fits', 3),
      ask(7n, 'none left'),
      ask(8n, 'another store'),
      ask(7n, 'fits', 3),
    ]);
    expect(outcomes).toMatchObject([
      'exhausted',
      { replayed: false, allocation: { orderId: 1n, orderNumber: INT64_MAX - 2n } },
      'exhausted',
      { replayed: false, allocation: { orderId: 4n, orderNumber: 100n } },
      { replayed: true },
    ]);
    expect(lastOrderId).toBe(4n);
  });
});

it('P7: a transaction that the database itself has rolled back fails with what the database said', () => {
  const db = memoryDatabase();
  db.exec(`CREATE TRIGGER planted BEFORE INSERT ON allocations BEGIN SELECT RAISE(ROLLBACK, 'planted'); END`);
  expect(() => new BatchTransaction(db, true).commit([ask(7n, 'a')])).toThrow('planted');
  expect(db.inTransaction).toBe(false);
});
