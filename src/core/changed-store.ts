import type { OrderError } from './errors.ts';
import { firstNumberFixed } from './refusals.ts';
import type { Store, StoreChanges } from './store.ts';

/** The store after these changes, or FIRST_NUMBER_FIXED: once it has numbered, its first number stays. */
export function changedStore(before: Store, changes: StoreChanges): Store | OrderError {
  const isUsed = before.lastNumber >= before.firstNumber;
  const firstNumber = changes.firstNumber ?? before.firstNumber;
  if (isUsed && firstNumber !== before.firstNumber) return firstNumberFixed(before.storeId);
  return {
    ...before,
    firstNumber,
    lastNumber: isUsed ? before.lastNumber : firstNumber - 1n,
    prefix: changes.prefix ?? before.prefix,
    suffix: changes.suffix ?? before.suffix,
    minDigits: changes.minDigits ?? before.minDigits,
  };
}
