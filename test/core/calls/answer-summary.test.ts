import { expect, it } from 'vitest';
import { summaryOf } from '../../../src/core/calls/answer-summary.ts';
import type { Allocated } from '../../../src/core/calls/caller.ts';
import { OrderError } from '../../../src/core/errors.ts';

const NUMBERED = { replayed: false } as Allocated;
const MISTAKE = new OrderError('COUNT_INVALID', 'first');
const ANOTHER = new OrderError('COUNT_INVALID', 'second');
const FAULT = new OrderError('LEDGER_FULL', 'full', { cause: new Error('the disk') });
const LATER_FAULT = new OrderError('INTERNAL', 'later');

it('counts the results of a call, and names the refusal that an operator should see first', () => {
  const { counts, worst } = summaryOf([NUMBERED, MISTAKE, NUMBERED, ANOTHER, FAULT, LATER_FAULT]);
  expect([...counts]).toEqual([
    ['OK', 2],
    ['COUNT_INVALID', 2],
    ['LEDGER_FULL', 1],
    ['INTERNAL', 1],
  ]);
  expect(worst).toBe(FAULT);
});

it('the first mistake of a caller is the worst if there is nothing worse, and there may be none', () => {
  expect(summaryOf([MISTAKE, NUMBERED, ANOTHER]).worst).toBe(MISTAKE);
  expect(summaryOf([FAULT, MISTAKE]).worst).toBe(FAULT);
  expect(summaryOf([NUMBERED])).toEqual({ counts: new Map([['OK', 1]]), worst: undefined });
});
