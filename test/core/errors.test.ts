import { expect, it } from 'vitest';
import { LedgerRefused, messageOf, needsOperator, OrderError } from '../../src/core/errors.ts';

it('a refusal has its reason, its fields, and a cause that its message does not show', () => {
  const cause = new Error('the inside');
  const error = new OrderError('STORE_NOT_FOUND', 'no such store', { fields: { store_id: '7' }, cause });
  expect(error).toMatchObject({ name: 'OrderError', reason: 'STORE_NOT_FOUND', fields: { store_id: '7' }, cause });
  expect(error.message).toBe('no such store');
  const plain = new OrderError('CANCELLED', 'late');
  expect([plain.fields, plain.cause]).toEqual([{}, undefined]);
  expect(new LedgerRefused('in use').name).toBe('LedgerRefused');
});

it('an operator should look at what has a cause, and at what this program did not foresee', () => {
  expect(needsOperator(new OrderError('INTERNAL', 'x'))).toBe(true);
  expect(needsOperator(new OrderError('OUTCOME_UNKNOWN', 'x'))).toBe(true);
  expect(needsOperator(new OrderError('LEDGER_FULL', 'x', { cause: new Error('full') }))).toBe(true);
  expect(needsOperator(new OrderError('LEDGER_FULL', 'x'))).toBe(false);
  expect(needsOperator(new OrderError('COUNT_INVALID', 'x'))).toBe(false);
});

it('the message of anything that was thrown', () => {
  expect([new OrderError('CANCELLED', 'late'), 'text', 7, undefined].map(messageOf)).toEqual([
    'late',
    'text',
    '7',
    'undefined',
  ]);
});
