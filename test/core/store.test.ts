import { describe, expect, it } from 'vitest';
import { INT64_MAX } from '../../src/core/allocation.ts';
import type { StoreChanges } from '../../src/core/store.ts';
import { checkStoreChanges, DEFAULT_STORE } from '../../src/core/store.ts';

describe('the settings of a store', () => {
  it.each<StoreChanges>([
    {},
    DEFAULT_STORE,
    { firstNumber: 1n, minDigits: 0 },
    { firstNumber: INT64_MAX, minDigits: 19 },
    { prefix: ' ~'.repeat(16), suffix: '' },
    { prefix: '', suffix: ' ~'.repeat(16) },
  ])('P6: %o are valid', (changes) => {
    expect(() => checkStoreChanges(changes)).not.toThrow();
  });

  const affix = 'up to 32 printable ASCII characters';
  it.each<[StoreChanges, field: string, value: string, rule: string]>([
    [{ firstNumber: 0n }, 'first_number', '0', '1 to 2^63-1'],
    [{ firstNumber: INT64_MAX + 1n }, 'first_number', '9223372036854775808', '1 to 2^63-1'],
    [{ prefix: 'x'.repeat(33) }, 'prefix', 'x'.repeat(33), affix],
    [{ prefix: 'ä' }, 'prefix', 'ä', affix],
    [{ prefix: 'a\n' }, 'prefix', 'a\n', affix],
    [{ prefix: '\na' }, 'prefix', '\na', affix],
    [{ suffix: 'x'.repeat(33) }, 'suffix', 'x'.repeat(33), affix],
    [{ suffix: '\x7f' }, 'suffix', '\x7f', affix],
    [{ minDigits: -1 }, 'min_digits', '-1', '0 to 19'],
    [{ minDigits: 20 }, 'min_digits', '20', '0 to 19'],
    [{ minDigits: 1.5 }, 'min_digits', '1.5', '0 to 19'],
  ])('P6: %o are refused and named', (changes, field, value, rule) => {
    expect(() => checkStoreChanges(changes)).toThrow(
      expect.objectContaining({
        reason: 'STORE_FIELD_INVALID',
        message: `${field} ${JSON.stringify(value)} is not valid: it must be ${rule}`,
        fields: { [field]: value },
      }),
    );
  });

  it('are shown in part if they are long', () => {
    const prefix = 'x'.repeat(1000);
    expect(() => checkStoreChanges({ prefix })).toThrow(`prefix "${'x'.repeat(64)}" is not valid`);
  });

  it('of a store that its first allocation creates are no style, and numbers from 100 on', () => {
    expect(DEFAULT_STORE).toEqual({ firstNumber: 100n, prefix: '', suffix: '', minDigits: 0 });
  });
});
