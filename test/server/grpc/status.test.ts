import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { Reason } from '../../../src/core/reasons.ts';
import { OrderError } from '../../../src/core/errors.ts';
import { toOrderError } from '../../../src/core/refusals.ts';
import { toStatus } from '../../../src/server/grpc/status.ts';
import { errorDetails } from '../../support/clients/orders-client.ts';

/** Each reason's code, and after how many milliseconds to retry with the same request_id, if that is right. */
const CONTRACT: Readonly<Record<Reason, readonly [code: keyof typeof status, retryMs?: number]>> = {
  STORE_ID_INVALID: ['INVALID_ARGUMENT'],
  COUNT_INVALID: ['INVALID_ARGUMENT'],
  REQUEST_TOO_LARGE: ['INVALID_ARGUMENT'],
  REQUEST_MALFORMED: ['INVALID_ARGUMENT'],
  BATCH_SIZE_INVALID: ['INVALID_ARGUMENT'],
  REQUEST_ID_INVALID: ['INVALID_ARGUMENT'],
  REQUEST_ID_REQUIRED: ['INVALID_ARGUMENT'],
  PAGE_TOKEN_INVALID: ['INVALID_ARGUMENT'],
  PAGE_SIZE_INVALID: ['INVALID_ARGUMENT'],
  ORDER_ID_INVALID: ['INVALID_ARGUMENT'],
  STORE_FIELD_INVALID: ['INVALID_ARGUMENT'],
  UPDATE_MASK_INVALID: ['INVALID_ARGUMENT'],
  KEY_MISSING: ['INVALID_ARGUMENT'],
  FIRST_NUMBER_FIXED: ['FAILED_PRECONDITION'],
  STORE_NOT_FOUND: ['NOT_FOUND'],
  ALLOCATION_NOT_FOUND: ['NOT_FOUND'],
  STORE_EXISTS: ['ALREADY_EXISTS'],
  REQUEST_ID_MISMATCH: ['FAILED_PRECONDITION'],
  QUEUE_FULL: ['RESOURCE_EXHAUSTED', 100],
  LEDGER_FULL: ['RESOURCE_EXHAUSTED', 5_000],
  TOKEN_INVALID: ['UNAUTHENTICATED'],
  VERB_FORBIDDEN: ['PERMISSION_DENIED'],
  STORE_FORBIDDEN: ['PERMISSION_DENIED'],
  SEQUENCE_EXHAUSTED: ['OUT_OF_RANGE'],
  CANCELLED: ['CANCELLED'],
  DRAINING: ['UNAVAILABLE', 200],
  OUTCOME_UNKNOWN: ['UNAVAILABLE', 200],
  LEDGER_REOPENING: ['UNAVAILABLE', 200],
  LEDGER_DAMAGED: ['DATA_LOSS'],
  INTERNAL: ['INTERNAL'],
};
const REASONS = Object.keys(CONTRACT) as Reason[];
const FIELDS = { store_id: '7', request_id: 'cart-1' };

describe('the status of a reason', () => {
  it.each(REASONS)('%s has its code and ErrorInfo', (reason) => {
    const answer = statusOf(new OrderError(reason, 'this is why', { fields: FIELDS }), true);
    expect(status[answer.code]).toBe(CONTRACT[reason][0]);
    expect(answer.details).toBe('this is why');
    expect(answer.info).toMatchObject({ reason, domain: 'orders.v1', metadata: FIELDS });
  });

  it.each(REASONS)('%s asks for a retry only if one is right and the caller sent a key', (reason) => {
    const error = new OrderError(reason, 'this is why', { fields: FIELDS });
    expect(statusOf(error, true).info?.retryDelayMs).toBe(CONTRACT[reason][1]);
    expect(statusOf(error, false).info?.retryDelayMs).toBeUndefined();
  });

  it.each(REASONS)('P7: %s names the request_id in a trailer only if the outcome is unknown', (reason) => {
    const { metadata } = statusOf(new OrderError(reason, 'this is why', { fields: FIELDS }), true);
    expect(metadata.get('request-id')).toEqual(reason === 'OUTCOME_UNKNOWN' ? ['cart-1'] : []);
  });
});

describe('BadRequest', () => {
  it.each(REASONS)('%s names the invalid fields only if the request is to blame', (reason) => {
    const error = new OrderError(reason, 'this is why', { fields: FIELDS });
    const violation = { description: 'this is why', reason };
    expect(statusOf(error, true).info?.violations).toEqual(
      CONTRACT[reason][0] === 'INVALID_ARGUMENT'
        ? [
            { field: 'store_id', ...violation },
            { field: 'request_id', ...violation },
          ]
        : undefined,
    );
  });

  it.each([
    ['REQUEST_ID_REQUIRED', 'request_id'],
    ['KEY_MISSING', 'key'],
    ['STORE_FIELD_INVALID', 'store'],
    ['UPDATE_MASK_INVALID', 'update_mask'],
  ] as const)('%s without a value says that %s is missing', (reason, field) => {
    const { info } = statusOf(new OrderError(reason, 'this is why'), true);
    expect(info?.violations).toEqual([{ field, description: 'this is why', reason }]);
  });
});

describe('ErrorInfo', () => {
  it('has values of 128 bytes at most, cut between two characters', () => {
    const values = { ascii: 'a'.repeat(129), fits: 'b'.repeat(128), euro: '€'.repeat(100), clef: 'x𝄞'.repeat(100) };
    const { info } = statusOf(new OrderError('REQUEST_ID_INVALID', 'no', { fields: values }), true);
    expect(info?.metadata).toEqual({
      ascii: 'a'.repeat(128),
      fits: values.fits,
      euro: '€'.repeat(42),
      clef: `${'x𝄞'.repeat(25)}x`,
    });
  });
});

describe('a thrown error', () => {
  it('is reported unchanged if it is an OrderError of the core', () => {
    const error = new OrderError('QUEUE_FULL', 'too many');
    expect(toOrderError(error, true)).toBe(error);
  });

  it.each([
    new Error('disk /var/secret'),
    new TypeError('no'),
    'a string',
    undefined,
    null,
    7,
    { reason: 'QUEUE_FULL' },
  ])('reveals no internals to the caller if it is unforeseen: %s', (thrown) => {
    const error = toOrderError(thrown, false);
    expect(error).toMatchObject({ reason: 'INTERNAL', fields: {} });
    expect(error.cause).toBe(thrown);
    const answer = statusOf(error, true);
    expect(answer.details).toBe('unexpected server error');
    expect(JSON.stringify([answer.info, answer.details])).not.toContain('secret');
  });

  it('P7: is an unknown outcome if it is unforeseen and the method writes', () => {
    const answer = statusOf(toOrderError(new TypeError('secret'), true), true);
    expect(answer.code).toBe(status.UNAVAILABLE);
    expect(answer.info).toMatchObject({ reason: 'OUTCOME_UNKNOWN' });
    expect(JSON.stringify([answer.info, answer.details])).not.toContain('secret');
  });
});

/** The status as a client decodes it. */
function statusOf(error: OrderError, mayRetry: boolean) {
  const answer = toStatus(error, mayRetry);
  return { ...answer, info: errorDetails(Object.assign(new Error(answer.details), answer)) };
}
