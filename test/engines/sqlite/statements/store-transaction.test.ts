import { afterEach, describe, expect, it, vi } from 'vitest';
import { OrderError } from '../../../../src/core/errors.ts';
import { BatchTransaction } from '../../../../src/engines/sqlite/statements/batch-transaction.ts';
import { storeOutcome, StoreTransaction } from '../../../../src/engines/sqlite/statements/store-transaction.ts';
import { memoryDatabase } from './memory-database.ts';

const NOW = 1_700_000_000_000;
const SETTINGS = { storeId: 7n, firstNumber: 500n, prefix: 'A-', suffix: '/7', minDigits: 6 };
const CREATED = { ...SETTINGS, lastNumber: 499n, createTimeMs: NOW };

afterEach(() => {
  vi.restoreAllMocks();
});

function open() {
  vi.spyOn(Date, 'now').mockReturnValue(NOW);
  const statements: string[] = [];
  const db = memoryDatabase((sql) => statements.push(sql));
  const stores = new StoreTransaction(db);
  const number = () => new BatchTransaction(db, false).commit([{ storeId: 7n, count: 1, requestId: 'a', caller: '' }]);
  return { db, stores, number, statements };
}

describe('P6: a store', () => {
  it('is created once, in a transaction that writes from its beginning', () => {
    const { stores, statements } = open();
    expect(stores.create(SETTINGS)).toEqual(CREATED);
    expect(statements.findLast((sql) => sql.startsWith('BEGIN'))).toBe('BEGIN IMMEDIATE');
    expect(stores.create({ ...SETTINGS, prefix: 'B' })).toBe('exists');
    expect(stores.change(7n, {})).toEqual({ before: CREATED, after: CREATED });
  });

  it('changes what is named, and keeps what is not', () => {
    const { stores, statements } = open();
    stores.create(SETTINGS);
    const after = { ...CREATED, firstNumber: 600n, lastNumber: 599n };
    expect(stores.change(7n, { firstNumber: 600n })).toEqual({ before: CREATED, after });
    expect(statements.findLast((sql) => sql.startsWith('BEGIN'))).toBe('BEGIN IMMEDIATE');
    const styled = { ...after, prefix: '', suffix: 'S', minDigits: 0 };
    expect(stores.change(7n, { prefix: '', suffix: 'S', minDigits: 0 })).toEqual({ before: after, after: styled });
    expect(stores.change(8n, { prefix: '' })).toBe('not found');
  });

  it('keeps its first number once it has numbered', () => {
    const { stores, number } = open();
    stores.create(SETTINGS);
    number();
    const used = { ...CREATED, lastNumber: 500n };
    expect(stores.change(7n, { firstNumber: 501n })).toBe('first number fixed');
    expect(stores.change(7n, { firstNumber: 500n, minDigits: 3 })).toEqual({
      before: used,
      after: { ...used, minDigits: 3 },
    });
  });
});

describe('P6 P7: the outcome of a write of a store', () => {
  it('is what was written', async () => {
    expect(await storeOutcome(7n, Promise.resolve(CREATED))).toBe(CREATED);
  });

  it.each([
    ['exists', 'STORE_EXISTS'],
    ['not found', 'STORE_NOT_FOUND'],
    ['first number fixed', 'FIRST_NUMBER_FIXED'],
  ] as const)('%s is %s', async (refusal, reason) => {
    const written: Promise<typeof CREATED | typeof refusal> = Promise.resolve(refusal);
    await expect(storeOutcome(7n, written)).rejects.toMatchObject({ reason, fields: { store_id: '7' } });
  });

  it('is unknown if the write failed, unless it was refused', async () => {
    const cause = new Error('the disk failed');
    const failed: Promise<typeof CREATED> = Promise.reject(cause);
    await expect(storeOutcome(7n, failed)).rejects.toMatchObject({ reason: 'OUTCOME_UNKNOWN', cause });
    const refusal = new OrderError('LEDGER_REOPENING', 'later');
    const refused: Promise<typeof CREATED> = Promise.reject(refusal);
    await expect(storeOutcome(7n, refused)).rejects.toBe(refusal);
  });
});
