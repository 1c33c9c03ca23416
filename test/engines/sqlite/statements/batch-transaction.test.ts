import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { AllocationRequest } from '../../../../src/core/allocation.ts';
import { BatchTransaction } from '../../../../src/engines/sqlite/statements/batch-transaction.ts';
import { openWriteConnection } from '../../../../src/engines/sqlite/file/connection.ts';
import { migrate } from '../../../../src/engines/sqlite/file/schema.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

function ask(storeId: bigint, requestId: string, count = 1): AllocationRequest {
  return { storeId, requestId, count, caller: '' };
}

function newLedger(): Database.Database {
  const db = closedAtEnd(openWriteConnection(join(testFolder(), 'orders.db')));
  migrate(db);
  return db;
}

/** Another connection to the same ledger; `onStatement` is told of each statement as it starts. */
function connectAgain(db: Database.Database, onStatement?: (sql: string) => void): Database.Database {
  const again = new Database(db.name, { verbose: (sql) => onStatement?.(String(sql)) });
  again.defaultSafeIntegers(true);
  return closedAtEnd(again);
}

function closedAtEnd(db: Database.Database): Database.Database {
  onTestFinished(() => void db.close());
  return db;
}

function contents(db: Database.Database): unknown[][] {
  return ['ledger', 'stores', 'allocations'].map((table) => db.prepare(`SELECT * FROM ${table}`).all());
}

describe('a batch that fails', () => {
  const fail = "BEGIN SELECT RAISE(ABORT, 'planted'); END";
  const faults = {
    'its second row': `CREATE TRIGGER planted BEFORE INSERT ON allocations WHEN NEW.request_id = 'd' ${fail}`,
    "a store's counter": `CREATE TRIGGER planted BEFORE UPDATE ON stores ${fail}`,
    "the ledger's counter": `CREATE TRIGGER planted BEFORE UPDATE ON ledger ${fail}`,
    // A deferred constraint is checked when the transaction commits.
    'its COMMIT': `
      PRAGMA foreign_keys = ON;
      CREATE TABLE parents (id INTEGER PRIMARY KEY);
      CREATE TABLE children (parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED);
      CREATE TRIGGER planted AFTER UPDATE ON ledger BEGIN INSERT INTO children VALUES (1); END`,
  };

  it.each(Object.entries(faults))('P1 P2: at %s leaves every row and counter unchanged', (_, fault) => {
    const db = newLedger();
    const batches = new BatchTransaction(db, true);
    batches.commit([ask(7n, 'a'), ask(8n, 'b')]);
    const before = contents(db);

    db.exec(fault);
    const batch = [ask(7n, 'c'), ask(8n, 'd'), ask(9n, 'e')];
    expect(() => batches.commit(batch)).toThrow(/planted|FOREIGN KEY constraint failed/);
    expect(db.inTransaction).toBe(false);
    expect(contents(db)).toEqual(before);
    expect(contents(connectAgain(db))).toEqual(before);

    db.exec('DROP TRIGGER planted');
    expect(batches.commit(batch)).toMatchObject({
      lastOrderId: 5n,
      outcomes: [
        { replayed: false, allocation: { orderId: 3n, orderNumber: 101n } },
        { replayed: false, allocation: { orderId: 4n, orderNumber: 101n } },
        { replayed: false, allocation: { orderId: 5n, orderNumber: 100n } },
      ],
    });
  });
});

it('P4: when a commit returns, another connection sees all of it', () => {
  const db = newLedger();
  const other = connectAgain(db);
  const batches = new BatchTransaction(db, true);
  for (const id of ['a', 'b', 'c']) {
    batches.commit([ask(7n, id), ask(8n, id, 5)]);
    expect(db.inTransaction).toBe(false);
    expect(contents(other)).toEqual(contents(db));
  }
  expect(contents(other)).toMatchObject([[{ last_order_id: 18n }], [{ last_number: 102n }, { last_number: 114n }], {}]);
});

it('P4 P5: a batch is written entirely between its BEGIN and its COMMIT, and each counter once', () => {
  const statements: string[] = [];
  const db = connectAgain(newLedger(), (sql) => statements.push(sql));
  const batches = new BatchTransaction(db, true);
  batches.commit([ask(7n, 'a')]);
  statements.length = 0;
  batches.commit([ask(7n, 'a'), ask(7n, 'b'), ask(8n, 'c'), ask(7n, 'd')]);
  expect(statements.at(0)).toBe('BEGIN IMMEDIATE');
  expect(statements.at(-1)).toBe('COMMIT');
  expect(statements.filter((sql) => /BEGIN|COMMIT|ROLLBACK|SAVEPOINT/.test(sql))).toHaveLength(2);
  expect(statements.filter((sql) => /UPDATE ledger/.test(sql))).toHaveLength(1);
  expect(statements.filter((sql) => /(INTO|UPDATE) stores/.test(sql))).toHaveLength(2);
});

it('P5: a commit of another connection at the last moment is replayed, and numbering continues after it', () => {
  const ledger = newLedger();
  const other = new BatchTransaction(ledger, true);
  let atBegin: (() => void) | undefined;
  const db = connectAgain(ledger, (sql) => {
    if (sql.startsWith('BEGIN')) atBegin?.();
  });
  const batches = new BatchTransaction(db, true);
  batches.commit([ask(7n, 'a')]);

  atBegin = () => void other.commit([ask(7n, 'b'), ask(7n, 'c')]);
  expect(batches.commit([ask(7n, 'c'), ask(7n, 'd')]).outcomes).toMatchObject([
    { replayed: true, allocation: { orderId: 3n, orderNumber: 102n } },
    { replayed: false, allocation: { orderId: 4n, orderNumber: 103n } },
  ]);
});

it('P5: a replay shows the style it was allocated with, a new allocation the style of the store', () => {
  const db = newLedger();
  const batches = new BatchTransaction(db, true);
  batches.commit([ask(7n, 'a')]);
  db.exec("UPDATE stores SET prefix = 'W-', suffix = '/26', min_digits = 6");
  expect(batches.commit([ask(7n, 'a'), ask(7n, 'b')]).outcomes).toMatchObject([
    { allocation: { prefix: '', suffix: '', minDigits: 0 } },
    { allocation: { prefix: 'W-', suffix: '/26', minDigits: 6 } },
  ]);
});

it('P4: a row of one number without style and caller is stored, column by column, as one that has them', () => {
  const db = newLedger();
  const batches = new BatchTransaction(db, true);
  batches.commit([ask(7n, 'plain')]);
  batches.commit([{ ...ask(7n, 'named'), caller: 'shop' }]);
  const columns = ['order_id', 'store_id', 'order_number', 'count', 'request_id', 'create_time_ms', 'prefix', 'suffix'];
  const types = [...columns, 'min_digits', 'caller'].map((name) => `typeof(${name}) AS ${name}`).join();
  const [plain, named] = db.prepare(`SELECT ${types} FROM allocations ORDER BY order_id`).all();
  expect(plain).toEqual(named);
  const values = 'SELECT count, prefix, suffix, min_digits FROM allocations ORDER BY order_id';
  expect(db.prepare(values).all()).toEqual(
    [plain, named].map(() => ({ count: 1n, prefix: '', suffix: '', min_digits: 0n })),
  );
});

it.each([
  ['a count', { count: 3 }],
  ['a caller', { caller: 'till' }],
  ['a prefix', { prefix: 'W-' }],
  ['a suffix', { suffix: '/26' }],
  ['digits', { minDigits: 6 }],
])('P5: a row that has %s and is plain otherwise is replayed as it was answered', (_, special) => {
  const db = newLedger();
  const style = { prefix: '', suffix: '', minDigits: 0, ...special };
  db.prepare(
    `INSERT INTO stores (store_id, first_number, last_number, prefix, suffix, min_digits, create_time_ms)
     VALUES (7, 100, 99, ?, ?, ?, 0)`,
  ).run(style.prefix, style.suffix, style.minDigits);
  const batches = new BatchTransaction(db, true);
  const batch = [{ ...ask(7n, 'a'), ...special }];
  const [first] = batches.commit(batch).outcomes;
  expect(first).toMatchObject({ replayed: false, allocation: special });
  expect(batches.commit(batch).outcomes).toEqual([{ ...(first as object), replayed: true }]);
});

it('P9: a ledger that was moved away no longer numbers, even if it is open', () => {
  const db = newLedger();
  const batches = new BatchTransaction(db, true);
  batches.commit([ask(7n, 'a')]);
  db.exec("UPDATE ledger SET sealed_to = 'postgres://orders'");
  expect(() => batches.commit([ask(7n, 'a')])).toThrow(
    `${db.name} was moved to postgres://orders and must never number again`,
  );
});
