import { describe, expect, it } from 'vitest';
import { OrderError } from '../../src/core/errors.ts';
import * as refusals from '../../src/core/refusals.ts';

const REQUEST = { storeId: 7n, requestId: 'cart-1', count: 3, caller: 'shop' };
const KEY = { store_id: '7', request_id: 'cart-1' };
const STORE = { store_id: '7' };
const CAUSE = new Error('the inside');

describe('P6 P7: a refusal', () => {
  it.each<[refusal: () => OrderError, reason: string, fields: object, cause: unknown]>([
    [() => refusals.cancelled(), 'CANCELLED', {}, undefined],
    [() => refusals.queueFull(), 'QUEUE_FULL', {}, undefined],
    [() => refusals.draining(), 'DRAINING', {}, undefined],
    [() => refusals.stoppedBeforeOpen(), 'DRAINING', {}, undefined],
    [() => refusals.ledgerLost(), 'DRAINING', {}, undefined],
    [() => refusals.ledgerReopening(CAUSE), 'LEDGER_REOPENING', {}, CAUSE],
    [() => refusals.ledgerReopening(), 'LEDGER_REOPENING', {}, undefined],
    [() => refusals.ledgerOutOfReach(CAUSE), 'LEDGER_REOPENING', {}, CAUSE],
    [() => refusals.ledgerUnreadable(CAUSE), 'LEDGER_DAMAGED', {}, CAUSE],
    [() => refusals.ledgerUnusable(CAUSE), 'LEDGER_DAMAGED', {}, CAUSE],
    [() => refusals.ledgerFull(CAUSE), 'LEDGER_FULL', {}, CAUSE],
    [() => refusals.batchSizeInvalid(0, 10), 'BATCH_SIZE_INVALID', {}, undefined],
    [() => refusals.requestTooLarge(2, 1), 'REQUEST_TOO_LARGE', {}, undefined],
    [() => refusals.requestIdRequired(), 'REQUEST_ID_REQUIRED', {}, undefined],
    [
      () => refusals.mismatch(REQUEST, 2),
      'REQUEST_ID_MISMATCH',
      { ...KEY, count: '3', original_count: '2' },
      undefined,
    ],
    [() => refusals.sequenceExhausted(7n), 'SEQUENCE_EXHAUSTED', STORE, undefined],
    [() => refusals.storeNotFound(7n), 'STORE_NOT_FOUND', STORE, undefined],
    [() => refusals.storeExists(7n), 'STORE_EXISTS', STORE, undefined],
    [() => refusals.firstNumberFixed(7n), 'FIRST_NUMBER_FIXED', STORE, undefined],
    [() => refusals.outcomeUnknown(REQUEST, CAUSE), 'OUTCOME_UNKNOWN', KEY, CAUSE],
    [() => refusals.storeUnknown(7n, CAUSE), 'OUTCOME_UNKNOWN', STORE, CAUSE],
    [() => refusals.storeForbidden('shop', 7n), 'STORE_FORBIDDEN', STORE, undefined],
    [() => refusals.verbForbidden('shop', 'allocate', 'AllocateOrder'), 'VERB_FORBIDDEN', {}, undefined],
    [() => refusals.tokenMissing(), 'TOKEN_INVALID', {}, undefined],
    [() => refusals.authorizationEmpty(), 'TOKEN_INVALID', {}, undefined],
    [() => refusals.tokenEmpty(), 'TOKEN_INVALID', {}, undefined],
    [() => refusals.tokenMalformed(), 'TOKEN_INVALID', {}, undefined],
    [() => refusals.tokenForeign(), 'TOKEN_INVALID', {}, undefined],
    [() => refusals.tokenMistyped(), 'TOKEN_INVALID', {}, undefined],
    [() => refusals.tokenUnknown(), 'TOKEN_INVALID', {}, undefined],
    [() => refusals.tokenExpired('shop', '2026-01-01'), 'TOKEN_INVALID', {}, undefined],
    [() => refusals.tokenRevoked('shop'), 'TOKEN_INVALID', {}, undefined],
    [() => refusals.tokenChanged('shop'), 'TOKEN_INVALID', {}, undefined],
    [() => refusals.certificateExpired('shop', 'today'), 'TOKEN_INVALID', {}, undefined],
    [() => refusals.certificateForeign('shop'), 'TOKEN_INVALID', {}, undefined],
    [() => refusals.certificateUnknown([]), 'TOKEN_INVALID', {}, undefined],
  ])('%s is %s', (refusal, reason, fields, cause) => {
    const error = refusal();
    expect(error).toBeInstanceOf(OrderError);
    expect([error.reason, error.fields, error.cause]).toEqual([reason, fields, cause]);
  });

  it('of a request that was sent before is an unknown outcome, with the words of the refusal', () => {
    const refused = refusals.storeNotFound(7n);
    const error = refusals.perhapsSentBefore(REQUEST, refused);
    expect([error.reason, error.fields, error.cause]).toEqual(['OUTCOME_UNKNOWN', KEY, refused]);
    expect(error.message).toMatch(/^store 7 does not exist; create it first; an earlier copy may still allocate/);
  });

  it('that was not foreseen is an unknown outcome if the method writes', () => {
    const known = refusals.cancelled();
    expect(refusals.toOrderError(known, true)).toBe(known);
    expect(refusals.toOrderError(CAUSE, true)).toMatchObject({ reason: 'OUTCOME_UNKNOWN', fields: {}, cause: CAUSE });
    const error = refusals.toOrderError(CAUSE, false);
    expect([error.reason, error.message, error.cause]).toEqual(['INTERNAL', 'unexpected server error', CAUSE]);
  });
});

describe('names from outside', () => {
  it('of a certificate are shown: three of them, without line breaks, in 128 characters', () => {
    expect(shown('a', 'b')).toMatch(/^the client certificate \(a, b\) is unknown/);
    expect(shown('a', 'b', 'c', 'd')).toContain('(a, b, c)');
    expect(shown('a\nb')).toContain('(a b)');
    expect(shown('x'.repeat(128))).toContain(`(${'x'.repeat(128)})`);
    expect(shown('x'.repeat(129))).toContain(`(${'x'.repeat(128)}…)`);
    expect(shown()).toMatch(/^the client certificate has no DNS or URI name/);
    expect(refusals.certificateExpired('a\nb', 'today').message).toContain('certificate of a b expired on today');
    expect(refusals.certificateForeign('a\nb').message).toContain('certificate of a b is of an authority');
  });

  it('of stores are listed up to five', () => {
    expect(listed(2)).toBe('shop has access only to some stores (1, 2); name one');
    expect(listed(5)).toBe('shop has access only to some stores (1, 2, 3, 4, 5); name one');
    expect(listed(7)).toBe('shop has access only to some stores (1, 2, 3, 4, 5 and 2 more); name one');
  });
});

function shown(...names: string[]): string {
  return refusals.certificateUnknown(names).message;
}

function listed(length: number): string {
  const stores = new Set(Array.from({ length }, (_, i) => BigInt(i + 1)));
  const error = refusals.storeMissing('shop', stores, 'name one');
  expect([error.reason, error.fields]).toEqual(['STORE_FORBIDDEN', {}]);
  return error.message;
}
