import { expect, it } from 'vitest';
import { LedgerRefused } from '../../src/core/errors.ts';
import { ANY_LEDGER, mayCreate, notCreated, requireExpectedId } from '../../src/core/expected-ledger.ts';

it('a ledger is created only if none is expected', () => {
  expect(mayCreate(ANY_LEDGER)).toBe(true);
  expect(mayCreate({ create: false, ledgerId: undefined })).toBe(false);
  expect(mayCreate({ create: true, ledgerId: 'a' })).toBe(false);
  expect(notCreated('/data', { create: false, ledgerId: undefined }).message).toContain('--create is false');
  expect(notCreated('/data', { create: true, ledgerId: 'a' }).message).toContain('--expect-ledger-id is a');
});

it('another ledger than the expected one is refused', () => {
  expect(() => requireExpectedId('/data', 'found', ANY_LEDGER)).not.toThrow();
  expect(() => requireExpectedId('/data', 'found', { create: true, ledgerId: 'found' })).not.toThrow();
  expect(() => requireExpectedId('/data', 'found', { create: true, ledgerId: 'other' })).toThrow(
    new LedgerRefused(
      '/data is ledger found, but --expect-ledger-id is other; check --ledger, or change --expect-ledger-id',
    ),
  );
});
