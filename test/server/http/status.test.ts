import { describe, expect, it } from 'vitest';
import type { Reason } from '../../../src/core/reasons.ts';
import type { TransportReason } from '../../../src/server/http/status.ts';
import { refusalBody, statusOf } from '../../../src/server/http/status.ts';

/** Each reason's code, and after how many seconds to retry with the same key, if that is right. */
const CONTRACT: Readonly<Record<Reason | TransportReason, readonly [code: number, retryAfterSeconds?: number]>> = {
  STORE_ID_INVALID: [400],
  COUNT_INVALID: [400],
  REQUEST_TOO_LARGE: [400],
  REQUEST_MALFORMED: [400],
  BATCH_SIZE_INVALID: [400],
  REQUEST_ID_INVALID: [400],
  REQUEST_ID_REQUIRED: [400],
  PAGE_TOKEN_INVALID: [400],
  PAGE_SIZE_INVALID: [400],
  ORDER_ID_INVALID: [400],
  STORE_FIELD_INVALID: [400],
  UPDATE_MASK_INVALID: [400],
  KEY_MISSING: [400],
  REQUEST_ID_MISMATCH: [422],
  FIRST_NUMBER_FIXED: [500],
  STORE_NOT_FOUND: [404],
  ALLOCATION_NOT_FOUND: [404],
  STORE_EXISTS: [500],
  QUEUE_FULL: [503, 1],
  LEDGER_FULL: [503, 5],
  TOKEN_INVALID: [401],
  VERB_FORBIDDEN: [403],
  STORE_FORBIDDEN: [403],
  SEQUENCE_EXHAUSTED: [409],
  CANCELLED: [503, 1],
  DRAINING: [503, 1],
  OUTCOME_UNKNOWN: [503, 1],
  LEDGER_REOPENING: [503, 1],
  LEDGER_DAMAGED: [500],
  INTERNAL: [500],
  BAD_REQUEST: [400],
  HOST_FORBIDDEN: [403],
  NOT_FOUND: [404],
  METHOD_NOT_ALLOWED: [405],
  REQUEST_TIMEOUT: [408],
  PAYLOAD_TOO_LARGE: [413],
  UNSUPPORTED_MEDIA_TYPE: [415],
  HEADERS_TOO_LARGE: [431],
};
const REASONS = Object.keys(CONTRACT) as (keyof typeof CONTRACT)[];

describe('the status of a reason', () => {
  it.each(REASONS)('%s has its code, and asks for a retry only if one is right', (reason) => {
    const [code, retryAfterSeconds] = CONTRACT[reason];
    expect(statusOf(reason)).toEqual({ code, retryAfterSeconds });
  });
});

it('a refusal has a message and a reason, whatever the message holds', () => {
  expect(refusalBody('INTERNAL', 'a "quoted" \n line')).toBe(
    '{"message":"a \\"quoted\\" \\n line","reason":"INTERNAL"}',
  );
});
