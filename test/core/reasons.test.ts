import { expect, it } from 'vitest';
import type { Reason } from '../../src/core/reasons.ts';
import { REASONS } from '../../src/core/reasons.ts';

// A kind is a status on the wire: a reason of another kind is another contract.
it('P6: every reason is of one kind, and says when to retry if that is right', () => {
  const kinds = Object.groupBy(Object.keys(REASONS) as Reason[], (reason) => REASONS[reason].kind);
  expect(kinds).toEqual({
    invalid: [
      'STORE_ID_INVALID',
      'COUNT_INVALID',
      'BATCH_SIZE_INVALID',
      'REQUEST_TOO_LARGE',
      'REQUEST_MALFORMED',
      'REQUEST_ID_INVALID',
      'REQUEST_ID_REQUIRED',
      'PAGE_TOKEN_INVALID',
      'PAGE_SIZE_INVALID',
      'ORDER_ID_INVALID',
      'STORE_FIELD_INVALID',
      'UPDATE_MASK_INVALID',
      'KEY_MISSING',
    ],
    mismatch: ['REQUEST_ID_MISMATCH'],
    fixed: ['FIRST_NUMBER_FIXED'],
    missing: ['STORE_NOT_FOUND', 'ALLOCATION_NOT_FOUND'],
    exists: ['STORE_EXISTS'],
    unauthenticated: ['TOKEN_INVALID'],
    forbidden: ['VERB_FORBIDDEN', 'STORE_FORBIDDEN'],
    overload: ['QUEUE_FULL', 'LEDGER_FULL'],
    exhausted: ['SEQUENCE_EXHAUSTED'],
    cancelled: ['CANCELLED'],
    unavailable: ['DRAINING', 'OUTCOME_UNKNOWN', 'LEDGER_REOPENING'],
    damaged: ['LEDGER_DAMAGED'],
    internal: ['INTERNAL'],
  });
  const retries = Object.entries(REASONS).flatMap(([reason, { retryMs }]) => (retryMs ? [[reason, retryMs]] : []));
  expect(Object.fromEntries(retries)).toEqual({
    QUEUE_FULL: 100,
    LEDGER_FULL: 5000,
    DRAINING: 200,
    OUTCOME_UNKNOWN: 200,
    LEDGER_REOPENING: 200,
  });
});
