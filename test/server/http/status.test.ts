import { describe, expect, it } from 'vitest';
import type { Reason } from '../../../src/core/errors.ts';
import type { TransportReason } from '../../../src/server/http/status.ts';
import { refusalBody, statusOf } from '../../../src/server/http/status.ts';

/** Of each reason: its code, and whether asking again with the same key is right. */
const CONTRACT: Readonly<Record<Reason | TransportReason, readonly [code: number, retry: boolean]>> = {
  STORE_ID_INVALID: [400, false],
  COUNT_INVALID: [400, false],
  REQUEST_ID_INVALID: [400, false],
  REQUEST_ID_REQUIRED: [400, false],
  PAGE_TOKEN_INVALID: [400, false],
  PAGE_SIZE_INVALID: [400, false],
  ORDER_ID_INVALID: [400, false],
  STORE_FIELD_INVALID: [400, false],
  UPDATE_MASK_INVALID: [400, false],
  KEY_MISSING: [400, false],
  REQUEST_ID_MISMATCH: [422, false],
  FIRST_NUMBER_FIXED: [500, false],
  STORE_NOT_FOUND: [404, false],
  ALLOCATION_NOT_FOUND: [404, false],
  STORE_EXISTS: [500, false],
  QUEUE_FULL: [503, true],
  LEDGER_FULL: [503, true],
  SEQUENCE_EXHAUSTED: [409, false],
  CANCELLED: [503, true],
  DRAINING: [503, true],
  OUTCOME_UNKNOWN: [503, true],
  LEDGER_REOPENING: [503, true],
  LEDGER_DAMAGED: [500, false],
  INTERNAL: [500, false],
  BAD_REQUEST: [400, false],
  NOT_FOUND: [404, false],
  METHOD_NOT_ALLOWED: [405, false],
  REQUEST_TIMEOUT: [408, false],
  PAYLOAD_TOO_LARGE: [413, false],
  UNSUPPORTED_MEDIA_TYPE: [415, false],
  HEADERS_TOO_LARGE: [431, false],
};
const REASONS = Object.keys(CONTRACT) as (keyof typeof CONTRACT)[];

describe('the status of a reason', () => {
  it.each(REASONS)('%s has its code, and asks for a retry only where one is right', (reason) => {
    const { code, retryAfterSeconds } = statusOf(reason);
    expect(code).toBe(CONTRACT[reason][0]);
    expect(retryAfterSeconds !== undefined).toBe(CONTRACT[reason][1]);
    expect(Number.isInteger(retryAfterSeconds ?? 1) && (retryAfterSeconds ?? 1) >= 1).toBe(true);
  });
});

it('a refusal has a message and a reason, whatever is in the message', () => {
  expect(refusalBody('INTERNAL', 'a "quoted" \n line')).toBe(
    '{"message":"a \\"quoted\\" \\n line","reason":"INTERNAL"}',
  );
});
